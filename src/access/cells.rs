//! Where two policies differ for one name, cell by cell.

use std::collections::{BTreeMap, BTreeSet};

use super::grid::{OTHER, Spot};
use super::shift::Shift;
use super::states::StateSet;
use crate::domain::Action;

/// One cell in which two policies differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell<'a> {
    pub spot: Spot<'a>,
    pub action: Action,
    pub shift: Shift,
}

/// Where two policies differ for one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cells<'a> {
    pub differing: BTreeMap<Cell<'a>, StateSet>,
    /// Every spot that either policy can tell apart for the name.
    pub spots: BTreeSet<Spot<'a>>,
}

impl Cells<'_> {
    /// The spot here that stands for `spot`.
    pub fn home<'s>(&'s self, spot: Spot<'s>) -> Spot<'s> {
        let mut spots = self.spots.iter();
        let project = match spots.any(|one| one.project == spot.project) {
            true => spot.project,
            false => OTHER,
        };
        let mut spots = self.spots.iter();
        let environment = match spots.any(|one| one.environment == spot.environment) {
            true => spot.environment,
            false => OTHER,
        };
        Spot { project, environment }
    }

    /// The states in which `cell` differs, at its spot or at the one that stands for it here.
    pub fn at<'s>(&'s self, cell: &Cell<'s>) -> Option<&'s StateSet> {
        let here = Cell {
            spot: self.home(cell.spot),
            ..cell.clone()
        };
        self.differing.get(&here)
    }

    /// Whether what differs in `cell` of `everybody`, in these `states`, differs here too, wherever that is.
    pub fn has_all_of<'s>(
        &'s self,
        everybody: &'s Cells<'s>,
        (cell, states): (&Cell<'s>, &StateSet),
    ) -> bool {
        let mut own = self
            .spots
            .iter()
            .filter(|spot| everybody.home(**spot) == cell.spot);
        let differs = |spot: &Spot<'s>| {
            let here = Cell {
                spot: *spot,
                ..cell.clone()
            };
            self.differing.get(&here).is_some_and(|own| states.is_within(own))
        };
        !self.spots.is_empty() && own.all(differs)
    }
}
