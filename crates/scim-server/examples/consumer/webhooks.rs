//! The receiver of webhooks, which wakes up the reader of the feed.

use std::error::Error;
use std::net::TcpListener;
use std::sync::mpsc::SyncSender;
use std::thread;

use actix_web::rt::System;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use standardwebhooks::Webhook;

type Receiver = (Webhook, SyncSender<()>);

/// Starts the receiver.
pub(crate) fn receive(address: &str, secret: &str, wake: SyncSender<()>) -> Result<(), Box<dyn Error>> {
    let receiver = Data::new((Webhook::new(secret)?, wake));
    let listener = TcpListener::bind(address)?;
    let app = move || {
        App::new()
            .app_data(receiver.clone())
            .route("/scim-events", web::post().to(webhook))
    };
    thread::spawn(move || {
        System::new().block_on(async move {
            let server = HttpServer::new(app).workers(1).disable_signals();
            server.listen(listener)?.run().await
        })
    });
    Ok(())
}

/// The content of a webhook has no effect.
async fn webhook(request: HttpRequest, body: Bytes, receiver: Data<Receiver>) -> HttpResponse {
    let (secret, wake) = &**receiver;
    let headers = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().parse().ok()?, value.to_str().ok()?.parse().ok()?)));
    // Refuses a wrong signature, and a message that was sent more than five minutes ago.
    if let Err(error) = secret.verify(&body, &headers.collect()) {
        return HttpResponse::Unauthorized().body(error.to_string());
    }
    // Without a free place, a wake-up waits already.
    let _ = wake.try_send(());
    HttpResponse::NoContent().finish()
}
