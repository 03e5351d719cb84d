//! Bytes ↔ messages, without I/O. The only file that knows bincode.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{MESSAGE_BYTES, PROTOCOL_VERSION};

/// Fixed-size little-endian integers, so that any language can read them at an offset.
const CONFIG: Configuration<LittleEndian, Fixint, Limit<MESSAGE_BYTES>> =
    bincode::config::standard().with_fixed_int_encoding().with_limit::<MESSAGE_BYTES>();

/// A message cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It does not fit.
    #[error("a message would have {0} bytes, {MESSAGE_BYTES} are allowed")]
    TooLong(usize),
    /// It has a value that no message can have.
    #[error("no message can be made of it: {0}")]
    Unencodable(#[source] bincode::error::EncodeError),
    /// The bytes are no message.
    #[error("the bytes are no message of protocol version {PROTOCOL_VERSION}: {0}")]
    Malformed(#[source] bincode::error::DecodeError),
    /// Bytes are left over.
    #[error("{0} bytes too many behind a message")]
    Trailing(usize),
}

/// The bytes of a message.
///
/// # Errors
/// [`CodecError::TooLong`], [`CodecError::Unencodable`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(message, CONFIG).map_err(CodecError::Unencodable)?;
    // bincode keeps its limit only when it decodes.
    if bytes.len() > MESSAGE_BYTES { Err(CodecError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// The message of exactly these bytes.
///
/// # Errors
/// [`CodecError::Malformed`], [`CodecError::Trailing`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (message, used) = bincode::serde::decode_from_slice(bytes, CONFIG).map_err(CodecError::Malformed)?;
    match bytes.len() - used {
        0 => Ok(message),
        left => Err(CodecError::Trailing(left)),
    }
}

/// The protocol version in the bytes of a `Hello`, whatever else a later version may have changed in it.
#[must_use]
pub fn hello_version(bytes: &[u8]) -> Option<u32> {
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    (word(4)? == 0).then(|| word(8))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Ask, Request, Roles};

    fn hello() -> Request {
        let name = "x".parse().unwrap();
        Request { id: 7, body: Ask::Hello { version: 9, name, roles: Roles::CONSUMER } }
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = encode(&hello()).unwrap();
        assert_eq!(decode::<Request>(&bytes).unwrap(), hello());
        bytes.push(0);
        assert!(matches!(decode::<Request>(&bytes), Err(CodecError::Trailing(1))));
    }

    #[test]
    fn a_message_that_would_be_too_long_is_not_made() {
        assert!(encode(&vec![0u8; MESSAGE_BYTES - 8]).is_ok());
        assert!(matches!(encode(&vec![0u8; MESSAGE_BYTES - 7]), Err(CodecError::TooLong(65_537))));
    }

    #[test]
    fn a_short_message_is_refused_at_every_length() {
        let bytes = encode(&hello()).unwrap();
        for len in 0..bytes.len() {
            assert!(decode::<Request>(&bytes[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        let mut bytes = encode(&hello()).unwrap();
        bytes[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(decode::<Request>(&bytes), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn the_version_is_read_from_any_hello() {
        assert_eq!(hello_version(&encode(&hello()).unwrap()), Some(9));
        assert_eq!(hello_version(&encode(&Request { id: 1, body: Ask::Ping }).unwrap()), None);
        assert_eq!(hello_version(&[0; 7]), None);
    }
}
