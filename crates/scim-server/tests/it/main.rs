//! The server's tests: through HTTP, as its clients meet it.

mod exchanges;
