use std::time::Duration;

use tercet_ring::{BitPlanes, Ring, Secret, pack_narrow, to_bytes, vector};

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

    /// Begins a tile of the step: the slots are fresh again.
    pub(crate) fn begin_tile(&mut self, tile: u32) {
        self.tile = tile;
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

    /// A fresh mask of `len` elements: the halves that evaluator 0 and evaluator 1 draw for themselves.
    pub fn masks<R: Ring>(&mut self, slot: u32, len: usize) -> [Secret<R>; 2] {
        [
            self.with_first.elements(self.address(slot), len),
            self.with_second.elements(self.address(slot), len),
        ]
    }

    /// A fresh mask of bits, as its two halves under exclusive or.
    pub fn mask_bits(&mut self, slot: u32, planes: usize, lanes: usize) -> [BitPlanes; 2] {
        [
            self.with_first.bits(self.address(slot), planes, lanes),
            self.with_second.bits(self.address(slot), planes, lanes),
        ]
    }

    /// Deals additive shares of `values`: evaluator 0 draws its share, evaluator 1 gets the difference.
    pub fn deal<R: Ring>(&mut self, slot: u32, values: &[R]) {
        let rest = self.difference(slot, values);
        self.stream.append(to_bytes(&rest));
    }

    /// Deals additive shares of `values` mod 2^bits, packed without gaps.
    pub fn deal_narrow<R: Ring>(&mut self, slot: u32, bits: u32, values: &[R]) {
        let rest = self.difference(slot, values);
        self.stream.append(pack_narrow(bits, &rest));
    }

    /// Deals shares of `planes` under exclusive or.
    pub fn deal_bits(&mut self, slot: u32, planes: &BitPlanes) {
        let mut rest = self
            .with_first
            .bits(self.address(slot), planes.planes(), planes.lanes());
        rest.xor_assign(planes);
        self.stream.append(rest.to_bytes());
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
        let mut rest = self.with_first.elements(self.address(slot), values.len());
        vector::negate(&mut rest);
        vector::add_assign(&mut rest, values);
        rest
    }
}
