//! Choices that all come up before one comes up again.

use framebroker_tests::Chance;

/// A deck of choices.
#[derive(Debug)]
pub struct Deck<T> {
    all: Vec<T>,
    left: Vec<T>,
}

impl<T: Copy> Deck<T> {
    pub fn new(all: impl IntoIterator<Item = T>) -> Self {
        Self { all: all.into_iter().collect(), left: Vec::new() }
    }

    pub fn draw(&mut self, chance: &mut Chance) -> T {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
        }
        self.left.swap_remove(chance.below(self.left.len()))
    }
}
