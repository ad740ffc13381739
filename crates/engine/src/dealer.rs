use std::time::Duration;

use tercet_ring::{BitPlanes, Ring, Secret, narrow_len, write_bytes, write_narrow};

use crate::channel::Channel;
use crate::dealt::DealtSender;
use crate::error::EngineError;
use crate::meter::StepTraffic;
use crate::prf::{Address, Prf, RESULT_MASK};

/// The dealer's side of a session: draws masks and deals values, step by step, and hears of nobody.
///
/// A slot names one draw within a tile of a step. Evaluators use the same slots; no slot serves twice in a tile.
pub struct Dealer {
    with_first: Prf,
    with_second: Prf,
    stream: DealtSender,
    step: u32,
    tile: u32,
}

impl Dealer {
    pub(crate) fn new(with_first: Prf, with_second: Prf, to_second: Channel) -> Self {
        Dealer {
            with_first,
            with_second,
            stream: DealtSender::new(to_second),
            step: 0,
            tile: 0,
        }
    }

    /// Begins a step of the plan.
    pub(crate) fn begin_step(&mut self, step: u32) {
        (self.step, self.tile) = (step, 0);
        self.stream.begin_step(step);
    }

    /// Begins a tile of the step, for which `dealt_bytes` are dealt: the slots are fresh again.
    pub(crate) fn begin_tile(&mut self, tile: u32, dealt_bytes: usize) {
        self.tile = tile;
        self.stream.begin_tile(dealt_bytes);
    }

    /// Ends a tile: evaluator 1 may have what was dealt for it.
    pub(crate) fn finish_tile(&mut self) {
        self.stream.finish_tile();
    }

    /// Sends what is left of the step's dealt bytes.
    pub(crate) fn finish_step(&mut self) -> Result<StepTraffic, EngineError> {
        let dealt = self.stream.finish_step()?;
        Ok(StepTraffic {
            dealt_sent: dealt.sent,
            ..StepTraffic::default()
        })
    }

    /// Time blocked on the second evaluator.
    pub(crate) fn blocked(&self) -> Duration {
        self.stream.blocked()
    }

    /// A fresh mask of `len` elements, whose halves evaluator 0 and evaluator 1 draw for themselves.
    pub fn mask<R: Ring>(&mut self, slot: u32, len: usize) -> Secret<R> {
        let mut mask = self.with_first.elements(self.address(slot), len);
        self.with_second.add_to(self.address(slot), &mut mask);
        mask
    }

    /// A fresh mask of bits, the exclusive or of two halves.
    pub fn mask_bits(&mut self, slot: u32, planes: usize, lanes: usize) -> BitPlanes {
        let mut mask = self.with_first.bits(self.address(slot), planes, lanes);
        self.with_second.xor_into(self.address(slot), &mut mask);
        mask
    }

    /// Deals additive shares of `values`: evaluator 0 draws its share, evaluator 1 gets the difference.
    pub fn deal<R: Ring>(&mut self, slot: u32, values: &[R]) {
        let rest = self.difference(slot, values);
        write_bytes(&rest, self.stream.append(values.len() * R::BYTES));
    }

    /// Deals additive shares of `values` mod 2^bits, packed without gaps.
    pub fn deal_narrow<R: Ring>(&mut self, slot: u32, bits: u32, values: &[R]) {
        let rest = self.difference(slot, values);
        write_narrow(bits, &rest, self.stream.append(narrow_len(bits, values.len())));
    }

    /// Deals shares of `planes` under exclusive or.
    pub fn deal_bits(&mut self, slot: u32, planes: &BitPlanes) {
        let mut rest = planes.clone();
        self.with_first.xor_into(self.address(slot), &mut rest);
        let len = BitPlanes::byte_len(planes.planes(), planes.lanes());
        rest.write_bytes(self.stream.append(len));
    }

    fn address(&self, slot: u32) -> Address {
        Address {
            step: self.step,
            // The mask of the result is one draw for all tiles.
            tile: if slot == RESULT_MASK { 0 } else { self.tile },
            slot,
        }
    }

    fn difference<R: Ring>(&mut self, slot: u32, values: &[R]) -> Secret<R> {
        let mut rest = Secret::new(values.to_vec());
        self.with_first.subtract_from(self.address(slot), &mut rest);
        rest
    }
}
