//! How a console or a command line reaches its engine: over the Unix socket of this machine, or over TCP with TLS, where
//! the engine is known by the fingerprint of its certificate and the person by a token. [`Address`] says where,
//! [`Address::dial`] opens a [`Stream`], [`greet`] says hello on it; from there on both are the same.

mod address;
mod fingerprint;
mod greet;
mod pinned;
mod stream;
mod token;

pub use address::{Address, AddressError, default_socket};
pub use fingerprint::{BadFingerprint, Fingerprint};
pub use greet::{Greeted, greet};
pub use stream::{DialError, Stream};
pub use token::{BadToken, Token};
