//! Secret text, written into buffers that never grow and so leave no copy behind.

use std::fmt::{self, Write};

use zeroize::Zeroizing;

/// Returns the text that `write` writes, in a wiped buffer of its exact size.
///
/// `write` runs twice and must write the same both times: first to count the bytes, then to keep them. A growing
/// `String` would leave its earlier, shorter buffers in memory.
///
/// ```
/// use envconf::secret_text::exact_text;
///
/// let text = exact_text(|out| write!(out, "{}:{}", "user", "password"));
/// assert_eq!((text.as_str(), text.capacity()), ("user:password", 13));
/// ```
pub fn exact_text(write: impl Fn(&mut dyn Write) -> fmt::Result) -> Zeroizing<String> {
    let mut count = ByteCount(0);
    // Neither of the two writers fails.
    let _ = write(&mut count);
    let mut text = Zeroizing::new(String::with_capacity(count.0));
    let _ = write(&mut *text);
    text
}

/// Counts what is written, and keeps none of it.
struct ByteCount(usize);

impl Write for ByteCount {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
