//! Files with wrong bytes, by seed: what a reader must survive.

use pycno_units::Seed;

/// Pieces that parsers stumble over, put where something else stood.
const PIECES: [&[u8]; 16] = [
    b"null",
    b"-1",
    b"1e999",
    b"[]",
    b"{}",
    b"\"\"",
    b"0",
    b"true",
    b",",
    b"\"",
    b"\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"99999999999999999999",
    b"[[[[[[[[",
    b"nan",
];
/// Most edits of one input.
const EDITS: u64 = 4;

/// A stream of numbers.
struct Draws {
    seed: Seed,
    count: u64,
}

impl Draws {
    /// A number below `n`; 0 if there is none.
    fn below(&mut self, n: usize) -> usize {
        self.count += 1;
        let draw = self.seed.split(&self.count.to_string()).0;
        usize::try_from(draw.checked_rem(n as u64).unwrap_or(0)).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }

    /// A place in bytes and one behind it, near by.
    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let from = self.below(len + 1);
        let reach = 1 + self.below(64);
        from..len.min(from + reach)
    }
}

/// The bytes with one to four edits: bits flipped, bytes replaced, pieces cut, doubled, put in, or the end cut off.
pub fn damaged(bytes: &[u8], seed: Seed) -> Vec<u8> {
    let mut draws = Draws { seed, count: 0 };
    let mut damaged = bytes.to_vec();
    let edits = 1 + draws.below(usize::try_from(EDITS).unwrap_or(1));
    for _ in 0..edits {
        edit(&mut damaged, &mut draws);
    }
    damaged
}

fn edit(bytes: &mut Vec<u8>, draws: &mut Draws) {
    let (at, range) = (draws.below(bytes.len()), draws.range(bytes.len()));
    match draws.below(8) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (at % 8);
            }
        }
        2 => {
            let drawn = draws.byte();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = drawn;
            }
        }
        3 => _ = bytes.drain(range),
        4 => {
            let piece = bytes[range.clone()].to_vec();
            _ = bytes.splice(range.start..range.start, piece);
        }
        5 | 6 => {
            let piece = PIECES[draws.below(PIECES.len())];
            let end = range.start + (range.len() % 8);
            _ = bytes.splice(range.start..end, piece.iter().copied());
        }
        _ => bytes.truncate(at),
    }
}
