//! Text that is read row by row, with a bound on what a row takes: nobody knows how long it is before it ends.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes of a row, at the most: names of users are short, and a quotation mark that never closes must not fill the memory.
pub(super) const ROW_BYTES_MAX: usize = 64 * 1024;

/// Gives what one row may take, and then no more until somebody makes room; and the last line an end, if it has none.
#[derive(Debug)]
pub(super) struct Bounded<R> {
    source: R,
    room: Rc<Cell<usize>>,
    last: u8,
}

impl<R> Bounded<R> {
    /// What is in this source, as far as there is room, in bytes.
    pub(super) fn new(source: R, room: Rc<Cell<usize>>) -> Self {
        Self { source, room, last: b'\n' }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.room.get() == 0 {
            return Err(io::Error::other(format!(
                "a row takes more than {ROW_BYTES_MAX} bytes: is there a quotation mark that never closes?"
            )));
        }
        let count = self.source.read(buffer)?;
        self.room.set(self.room.get().saturating_sub(count));
        match buffer {
            [first, ..] if count == 0 && self.last != b'\n' => {
                (*first, self.last) = (b'\n', b'\n');
                Ok(1)
            }
            _ => {
                self.last = if count == 0 { self.last } else { buffer[count - 1] };
                Ok(count)
            }
        }
    }
}
