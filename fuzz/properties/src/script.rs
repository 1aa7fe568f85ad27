//! How bytes arrive: in which pieces, how slowly, over how good a network.
//!
//! A script stands in front of the bytes that it is for: a byte of flags, then a byte for each piece
//! but the last.
//!
//! ```text
//! flags   bits 0-2  how many pieces there are besides the last
//!         bit 3     the network cuts what is sent as it likes, and orders are shuffled
//!         bit 4     what `option` says, for whoever reads it
//!         bits 5-7  the seed; with the last of them the network breaks now and then
//! piece   bits 0-5  its bytes
//!         bits 6-7  the pause behind it: none, 10 ms, 1 s, 30 s
//! ```

use std::time::Duration;

use squall::testing::{Network, Simulation};

/// Bytes that arrive together, and how long nothing follows.
#[derive(Clone, Debug)]
pub struct Piece {
    pub bytes: Vec<u8>,
    pub pause: Duration,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Script {
    pub pieces: Vec<Piece>,
    pub seed: Option<u64>,
    pub option: bool,
}

const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_secs(1),
    Duration::from_secs(30),
];

impl Script {
    /// Reads a script, and cuts what is behind it.
    pub fn read(data: &[u8]) -> Script {
        let Some((flags, rest)) = data.split_first() else {
            return Script::whole(Vec::new());
        };
        let count = usize::from(flags & 7).min(rest.len());
        let (cuts, bytes) = rest.split_at(count);
        Script {
            pieces: cut(cuts, bytes),
            seed: (flags & 8 != 0).then_some(u64::from(flags >> 5)),
            option: flags & 16 != 0,
        }
    }

    /// All bytes at once.
    pub fn whole(bytes: Vec<u8>) -> Script {
        Script {
            pieces: cut(&[], &bytes),
            seed: None,
            option: false,
        }
    }

    /// Other bytes, cut in the same way.
    pub fn with_bytes(&self, bytes: &[u8]) -> Script {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        let (_, others) = self
            .pieces
            .split_last()
            .expect("there is one piece at least");
        for piece in others {
            let (bytes, more) = rest.split_at(piece.bytes.len().min(rest.len()));
            pieces.push(Piece {
                bytes: bytes.to_vec(),
                pause: piece.pause,
            });
            rest = more;
        }
        pieces.extend(cut(&[], rest));
        Script {
            pieces,
            ..self.clone()
        }
    }

    /// All bytes, in one.
    pub fn bytes(&self) -> Vec<u8> {
        let pieces = self.pieces.iter();
        pieces
            .flat_map(|piece| piece.bytes.iter().copied())
            .collect()
    }

    /// True if a pause is long enough for a limit of time.
    pub fn is_slow(&self) -> bool {
        self.pieces.iter().any(|piece| piece.pause == PAUSES[3])
    }

    /// True if the network may break.
    pub fn breaks(&self) -> bool {
        self.seed == Some(7)
    }

    /// A run as the script wants it, which fails if it takes two hours.
    pub fn simulation(&self) -> Simulation {
        let simulation = Simulation::new()
            .log_limit(0)
            .timeout(Duration::from_secs(7200))
            .patience(Duration::from_millis(100));
        match self.seed {
            Some(seed) => simulation.seed(seed),
            None => simulation,
        }
    }

    /// The network that the script wants.
    pub fn network(&self) -> Network {
        match self.seed {
            Some(_) if self.breaks() => Network::new().short_transfers().resets(0.1),
            Some(_) => Network::new().short_transfers(),
            None => Network::new(),
        }
    }
}

fn cut(cuts: &[u8], bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (piece, more) = rest.split_at(usize::from(cut & 63).min(rest.len()));
        pieces.push(Piece {
            bytes: piece.to_vec(),
            pause: PAUSES[usize::from(cut >> 6)],
        });
        rest = more;
    }
    pieces.push(Piece {
        bytes: rest.to_vec(),
        pause: Duration::ZERO,
    });
    pieces
}
