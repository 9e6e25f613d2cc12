//! Choices, taken from a tape that can be shortened.

pub struct Choices(std::vec::IntoIter<u16>);

impl Choices {
    pub fn new(tape: Vec<u16>) -> Choices {
        Choices(tape.into_iter())
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % bound
    }

    /// True once in so many times; never where the tape is over.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}
