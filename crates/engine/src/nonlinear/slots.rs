/// The draws of one non-linear step. Each is used once in a step, or once in each level of a tournament.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    LeafProducts,
    FirstLevelMasks,
    FirstLevelProducts,
    SecondLevelMasks,
    SecondLevelProducts,
    AnswerMasks,
    WinnerProducts,
    WinnerMasks,
    BitMasks,
    ShiftedMasks,
    Wraps,
    SelectedMasks,
    SelectedWraps,
    IndexMasks,
    SelectedIndexMasks,
    OutputMasks,
}

impl Slot {
    /// Slots a level of a tournament takes.
    const COUNT: u32 = Slot::OutputMasks as u32 + 1;

    /// The masks of what is opened before a level of a comparison.
    pub fn level_masks(level: usize) -> Slot {
        [Slot::FirstLevelMasks, Slot::SecondLevelMasks][level]
    }

    /// The products that a level of a comparison takes.
    pub fn level_products(level: usize) -> Slot {
        [Slot::FirstLevelProducts, Slot::SecondLevelProducts][level]
    }
}

/// The slots of one level of a tournament, or of a step without levels.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    base: u32,
}

impl Slots {
    /// Those of a step without levels.
    pub fn of_step() -> Slots {
        Slots::of_level(0)
    }

    /// Those of one level.
    pub fn of_level(level: usize) -> Slots {
        Slots {
            base: level as u32 * Slot::COUNT,
        }
    }

    /// The number of a slot.
    pub fn at(self, slot: Slot) -> u32 {
        self.base + slot as u32
    }
}
