//! What happens to a group, by chance.

use crate::dice::Dice;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9` of these, at once.
    Kill(Vec<usize>),
    /// Stopped by a signal, as by a full disk's driver or a moving machine.
    Freeze(usize),
    /// The network falls into these parts; who is in none is alone.
    Divide(Vec<Vec<usize>>),
    /// SIGTERM.
    End(usize),
    /// `kill -9`, and started again at once.
    Restart(usize),
}

impl Fault {
    /// Half of them hit the leader.
    pub(super) fn choose(dice: &mut Dice, size: usize, leader: Option<usize>) -> Self {
        let anybody = dice.below(size);
        let victim = if dice.below(2) == 0 { leader.unwrap_or(anybody) } else { anybody };
        match dice.below(8) {
            0 | 1 => Self::Kill(vec![victim]),
            2 => {
                let count = 1 + dice.below(size);
                Self::Kill(dice.some(count, size))
            }
            3 => Self::Freeze(victim),
            4 => Self::Divide(vec![(0..size).filter(|node| *node != victim).collect()]),
            5 => {
                let all = dice.some(size, size);
                let (one, other) = all.split_at(dice.below(size));
                Self::Divide(vec![one.to_vec(), other.to_vec()])
            }
            6 => Self::End(victim),
            _ => Self::Restart(victim),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Kill(nodes) if nodes.len() == 1 => "killed",
            Self::Kill(_) => "several killed",
            Self::Freeze(_) => "frozen",
            Self::Divide(_) => "cut",
            Self::End(_) => "ended",
            Self::Restart(_) => "restarted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_comes_up_and_equal_seeds_choose_equally() {
        let faults = |seed| {
            let mut dice = Dice::new(seed);
            (0..200).map(|_| Fault::choose(&mut dice, 5, Some(1))).collect::<Vec<_>>()
        };
        assert_eq!(faults(1), faults(1));
        let names: std::collections::BTreeSet<_> = faults(1).iter().map(Fault::name).collect();
        assert_eq!(names.len(), 6, "{names:?}");
    }
}
