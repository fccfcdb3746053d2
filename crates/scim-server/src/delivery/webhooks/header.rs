//! Headers that the requests to an endpoint have in addition.

/// The most additional headers.
const MAX_HEADERS: usize = 16;

/// The most bytes of all additional headers.
const MAX_HEADER_BYTES: usize = 4096;

/// The beginnings of names of headers that belong to the protocol, or that carry state.
const RESERVED: [&str; 16] = [
    "host",
    "content-",
    "webhook-",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "cookie",
    "cookie2",
    "set-cookie",
    "accept-encoding",
];

/// A header that an endpoint gets in addition. `Debug` does not show its value. `FromStr` reads `Name: value`.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: String,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Header({})", self.name)
    }
}

impl std::str::FromStr for Header {
    type Err = String;

    /// Reads `Name: value`.
    fn from_str(text: &str) -> Result<Header, String> {
        let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
        let name = name.trim().to_ascii_lowercase();
        let is_token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("expected `Name: value`, with a name of letters, digits and `-`".to_owned());
        }
        let is_reserved = |it: &str| match it.ends_with('-') {
            true => name.starts_with(it),
            false => name == it,
        };
        if RESERVED.into_iter().any(is_reserved) {
            return Err(format!("the header `{name}` cannot be set"));
        }
        let value = value.trim();
        if value.is_empty() || !value.bytes().all(|it| (b' '..=b'~').contains(&it)) {
            return Err(format!("the value of the header `{name}` must be visible ASCII"));
        }
        Ok(Header {
            name,
            value: value.to_owned(),
        })
    }
}

/// Returns the names and values of headers.
///
/// # Errors
/// A text about headers that are too many, too large, or set twice.
pub(super) fn checked(headers: &[Header]) -> Result<Vec<(String, String)>, String> {
    let bytes: usize = headers.iter().map(|it| it.name.len() + it.value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(format!(
            "at most {MAX_HEADERS} headers with {MAX_HEADER_BYTES} bytes are possible"
        ));
    }
    let mut checked: Vec<(String, String)> = Vec::new();
    for Header { name, value } in headers {
        if checked.iter().any(|(it, _)| it == name) {
            return Err(format!("the header `{name}` is set twice"));
        }
        checked.push((name.clone(), value.clone()));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evt_28_headers_of_the_protocol_cannot_be_set() {
        for (text, name, value) in [
            ("Authorization: Bearer abc", "authorization", "Bearer abc"),
            ("x-api-key:7", "x-api-key", "7"),
            ("Telephone: a: b ", "telephone", "a: b"),
        ] {
            let header: Header = text.parse().expect("it is a header");
            assert_eq!((header.name.as_str(), header.value.as_str()), (name, value));
            assert!(!format!("{header:?}").contains(value));
        }
        for text in [
            "",
            "a",
            ": b",
            "a b: c",
            "a:",
            "a: é",
            "a: b\r\nc: d",
            "Host: a",
            "Content-Type: text/plain",
            "content-encoding: gzip",
            "webhook-id: 7",
            "User-Agent: a",
            "Connection: close",
            "Transfer-Encoding: chunked",
            "TE: trailers",
            "Proxy-Authorization: a",
            "Cookie: a",
            "Accept-Encoding: gzip",
        ] {
            assert!(text.parse::<Header>().is_err(), "{text}");
        }
        let twice: Vec<Header> = ["a: 1", "A: 2"].iter().filter_map(|it| it.parse().ok()).collect();
        assert!(checked(&twice).is_err());
        let large: Header = format!("a: {}", "b".repeat(5000))
            .parse()
            .expect("it is a header");
        assert!(checked(&[large]).is_err());
    }
}
