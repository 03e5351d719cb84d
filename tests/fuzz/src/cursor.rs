//! Reads what is to be done from the bytes of an input.

/// The rest of an input. Where it is at its end, everything is 0.
#[derive(Debug)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// From the beginning.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// At most so many bytes.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// A number of 8 bytes, the lowest first.
    pub fn number(&mut self) -> u64 {
        let mut number = [0; 8];
        for (to, from) in number.iter_mut().zip(self.bytes(8)) {
            *to = *from;
        }
        u64::from_le_bytes(number)
    }

    /// Bytes behind a byte that says how many.
    pub fn string(&mut self) -> &'a [u8] {
        let most = self.byte();
        self.bytes(most.into())
    }
}
