//! `/Users/` is `/Users`.

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::middleware::Next;

/// Removes one slash at the end of the path before the endpoint is found. The middleware of actix-web for this purpose
/// would also merge slashes within the path.
pub async fn trim(mut request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let trimmed = request.path().strip_suffix('/').map(str::parse::<Uri>);
    if let Some(Ok(uri)) = trimmed {
        request.match_info_mut().get_mut().update(&uri);
    }
    next.call(request).await
}
