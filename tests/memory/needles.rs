//! The needles: canaries, stored as two halves so that the search makes no copy of them.

use std::fmt::Write as _;

/// The length of a searched piece of a text. A copy is found even if it is partly overwritten.
const TEXT: usize = 16;
const KEY: usize = 8;

/// The pieces of one secret. Each is stored as random bytes, and as the exclusive or of the piece with them.
pub struct Needle {
    pub name: String,
    pieces: Vec<Piece>,
}

struct Piece {
    masked: Vec<u8>,
    mask: Vec<u8>,
}

impl Piece {
    fn of(bytes: &[u8]) -> Self {
        let mut mask = vec![0; bytes.len()];
        getrandom::fill(&mut mask).unwrap();
        let masked = bytes.iter().zip(&mask).map(|(byte, mask)| byte ^ mask).collect();
        Self { masked, mask }
    }

    fn byte(&self, index: usize) -> u8 {
        self.masked[index] ^ self.mask[index]
    }

    fn is_at(&self, haystack: &[u8]) -> bool {
        haystack.len() >= self.mask.len() && (0..self.mask.len()).all(|i| haystack[i] == self.byte(i))
    }
}

impl Needle {
    /// Returns the needle of a text, with two pieces: the beginning and the end.
    pub fn text(name: &str, text: &str) -> Self {
        let bytes = text.as_bytes();
        Self::of(name, [&bytes[..TEXT], &bytes[bytes.len() - TEXT..]])
    }

    /// Returns the needle of a key, with a piece for every eight bytes.
    pub fn key(name: &str, key: &[u8]) -> Self {
        Self::of(name, key.chunks_exact(KEY))
    }

    /// Returns the needle of an HMAC key. Its pieces include both pads of the key.
    pub fn hmac_key(name: &str, key: &[u8]) -> Self {
        let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
        let all = [key.to_vec(), padded(0x36), padded(0x5c)].concat();
        Self::of(name, all.chunks_exact(KEY))
    }

    fn of<'a>(name: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { name: name.to_owned(), pieces: pieces.into_iter().map(Piece::of).collect() }
    }

    /// Returns the text of the needles for the child's environment.
    pub fn write(needles: &[Self]) -> String {
        let mut text = String::new();
        for needle in needles {
            for piece in &needle.pieces {
                writeln!(text, "{} {} {}", needle.name, hex(&piece.masked), hex(&piece.mask)).unwrap();
            }
        }
        text
    }

    pub fn read(text: &str) -> Vec<Self> {
        let mut needles: Vec<Self> = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let piece = Piece { masked: unhex(words[1]), mask: unhex(words[2]) };
            match needles.iter_mut().find(|needle| needle.name == words[0]) {
                Some(needle) => needle.pieces.push(piece),
                None => needles.push(Self { name: words[0].to_owned(), pieces: vec![piece] }),
            }
        }
        needles
    }

    /// Returns a needle with the whole text as one piece, for a process that must build the text itself.
    pub fn masked(name: &str, text: &str) -> Self {
        Self::of(name, [text.as_bytes()])
    }

    /// Returns the text of a needle from `masked`, in a buffer of exactly its size.
    pub fn unmasked(&self) -> String {
        let piece = &self.pieces[0];
        let mut text = String::with_capacity(piece.mask.len());
        text.extend((0..piece.mask.len()).map(|index| char::from(piece.byte(index))));
        text
    }

    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }
}

/// The pieces of all needles, for a search in one pass.
pub struct Searcher {
    /// A bit for each pair of bytes: set if a piece begins with the pair.
    begins: Box<[u64]>,
    needles: Vec<Needle>,
}

impl Searcher {
    pub fn new(needles: Vec<Needle>) -> Self {
        let mut begins = vec![0; (1 << 16) / 64].into_boxed_slice();
        for piece in needles.iter().flat_map(|needle| &needle.pieces) {
            let pair = usize::from(piece.byte(0)) << 8 | usize::from(piece.byte(1));
            begins[pair / 64] |= 1_u64 << (pair % 64);
        }
        Self { begins, needles }
    }

    pub fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// Calls `found` with needle, piece and offset for each piece that begins before `end`.
    pub fn search(&self, haystack: &[u8], end: usize, mut found: impl FnMut(usize, usize, usize)) {
        let mut previous = 0;
        for (next, byte) in haystack.iter().enumerate().take(end + 1) {
            let pair = previous << 8 | usize::from(*byte);
            previous = usize::from(*byte);
            if self.begins[pair / 64] >> (pair % 64) & 1 == 0 || next == 0 {
                continue;
            }
            let at = next - 1;
            for (n, needle) in self.needles.iter().enumerate() {
                for (p, piece) in needle.pieces.iter().enumerate() {
                    if piece.is_at(&haystack[at..]) {
                        found(n, p, at);
                    }
                }
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
