use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tercet_ring::kernel::wipe;
use tercet_ring::{BitPlanes, Ring, Secret, add_bytes, from_bytes, narrow_len, to_bytes, unpack_narrow};

use crate::dealt::DealtBlock;
use crate::prf::{Address, Prf};

/// An evaluator's side of one tile: a range of a step's elements that goes through the step's protocol on its own.
///
/// Each opening is a point where the protocol of this tile waits and another tile is worked on.
pub struct EvaluatorTile {
    with_dealer: Prf,
    step: u32,
    tile: u32,
    dealt: Dealt,
    mailbox: Arc<Mailbox>,
}

/// Where an evaluator's dealt shares come from.
enum Dealt {
    /// Evaluator 0 draws them from the PRF it has in common with the dealer.
    Drawn,
    /// Evaluator 1 received them.
    Received(DealtBlock),
}

impl EvaluatorTile {
    /// A tile of `step` at the evaluator that was dealt `dealt`; at evaluator 0, which draws instead, `None`.
    pub(crate) fn new(with_dealer: Prf, step: u32, tile: u32, dealt: Option<DealtBlock>) -> Self {
        EvaluatorTile {
            with_dealer,
            step,
            tile,
            dealt: dealt.map_or(Dealt::Drawn, Dealt::Received),
            mailbox: Arc::default(),
        }
    }

    /// Where the tile's messages pass.
    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailbox.clone()
    }

    /// Whether this is evaluator 0, the one that adds public constants.
    pub fn is_first(&self) -> bool {
        matches!(self.dealt, Dealt::Drawn)
    }

    /// This evaluator's half of a fresh mask.
    pub fn masks<R: Ring>(&mut self, slot: u32, len: usize) -> Secret<R> {
        self.with_dealer.elements(self.address(slot), len)
    }

    /// This evaluator's half of a fresh mask of bits.
    pub fn mask_bits(&mut self, slot: u32, planes: usize, lanes: usize) -> BitPlanes {
        self.with_dealer.bits(self.address(slot), planes, lanes)
    }

    /// This evaluator's additive share of what [`crate::Dealer::deal`] deals at the slot.
    ///
    /// # Panics
    /// When the tile was declared to take less, which is a defect of the program; this holds for all that was dealt.
    pub fn dealt<R: Ring>(&mut self, slot: u32, len: usize) -> Secret<R> {
        match &mut self.dealt {
            Dealt::Drawn => self.with_dealer.elements(self.address(slot), len),
            Dealt::Received(block) => {
                from_bytes(block.take(len * R::BYTES), len).expect("a block gives as many bytes as asked for")
            }
        }
    }

    /// This evaluator's share mod 2^bits of what [`crate::Dealer::deal_narrow`] deals at the slot. The sum of both shares may exceed
    /// 2^bits: what they are used for has to be indifferent to multiples of it.
    pub fn dealt_narrow<R: Ring>(&mut self, slot: u32, bits: u32, len: usize) -> Secret<R> {
        match &mut self.dealt {
            Dealt::Drawn => self.with_dealer.elements(self.address(slot), len),
            Dealt::Received(block) => unpack_narrow(bits, block.take(narrow_len(bits, len)), len)
                .expect("a block gives as many bytes as asked for"),
        }
    }

    /// This evaluator's share, under exclusive or, of what [`crate::Dealer::deal_bits`] deals at the slot.
    pub fn dealt_bits(&mut self, slot: u32, planes: usize, lanes: usize) -> BitPlanes {
        match &mut self.dealt {
            Dealt::Drawn => self.with_dealer.bits(self.address(slot), planes, lanes),
            Dealt::Received(block) => {
                BitPlanes::from_bytes(planes, lanes, block.take(BitPlanes::byte_len(planes, lanes)))
                    .expect("a block gives as many bytes as asked for")
            }
        }
    }

    /// One round: the sum of both evaluators' vectors. Each must already carry a fresh mask.
    pub async fn open<R: Ring>(&mut self, mut mine: Secret<R>) -> Secret<R> {
        let mut bytes = self.exchange(to_bytes(&mine)).await;
        add_bytes(&bytes, &mut mine).expect("an answer has the length of the message");
        wipe(&mut bytes);
        mine
    }

    /// One round: the exclusive or of both evaluators' planes. Each must already carry a fresh mask.
    pub async fn open_bits(&mut self, mut mine: BitPlanes) -> BitPlanes {
        let mut bytes = self.exchange(mine.to_bytes()).await;
        let theirs = BitPlanes::from_bytes(mine.planes(), mine.lanes(), &bytes)
            .expect("an answer has the length of the message");
        wipe(&mut bytes);
        mine.xor_assign(&theirs);
        mine
    }

    async fn exchange(&mut self, message: Vec<u8>) -> Vec<u8> {
        self.mailbox.post(message);
        let mailbox = &self.mailbox;
        poll_fn(|_| mailbox.collect().map_or(Poll::Pending, Poll::Ready)).await
    }

    fn address(&self, slot: u32) -> Address {
        Address {
            step: self.step,
            tile: self.tile,
            slot,
        }
    }
}

/// Passes a tile's message to whoever runs it, and the other evaluator's back.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<Mail>);

#[derive(Default)]
struct Mail {
    posted: Option<Vec<u8>>,
    delivered: Option<Vec<u8>>,
}

impl Mailbox {
    fn post(&self, message: Vec<u8>) {
        self.mail().posted = Some(message);
    }

    fn collect(&self) -> Option<Vec<u8>> {
        self.mail().delivered.take()
    }

    /// The message that waits to be sent.
    pub(crate) fn posted(&self) -> Option<Vec<u8>> {
        self.mail().posted.take()
    }

    /// Brings the other evaluator's message.
    pub(crate) fn deliver(&self, message: Vec<u8>) {
        self.mail().delivered = Some(message);
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
