//! How files of text begin, wherever they were saved.

/// Bytes that some programs put before a text to say that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes of a text without the byte order mark, if it begins with one.
///
/// # Examples
///
/// ```
/// use pycno_units::without_byte_order_mark;
///
/// assert_eq!(without_byte_order_mark("\u{feff}{}".as_bytes()), b"{}");
/// assert_eq!(without_byte_order_mark(b"{}"), b"{}");
/// ```
pub fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}
