//! Which call of a program fails for want of something: the n-th of a kind, some at random, or none.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framebroker_tests::Chance;

use super::calls::{Arguments, CALLS, Call, name_of};
use super::supervisor::watch;

/// What fails.
#[derive(Debug, Clone)]
pub enum Plan {
    Nothing,
    /// One call.
    One(Site),
    /// All calls of a kind.
    Each {
        call: usize,
        error: i32,
    },
    /// One in so many.
    Some(Chance, usize),
}

/// The n-th call of a kind, and its error.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    pub call: usize,
    pub nth: u64,
    pub error: i32,
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} number {} says {}", CALLS[self.call].name, self.nth, name_of(self.error))
    }
}

/// The shortages of a program.
#[derive(Debug, Clone)]
pub struct Shortages(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    plan: Plan,
    /// Calls of each kind since the plan was made.
    counts: Vec<u64>,
    /// What failed since.
    failed: BTreeMap<(&'static str, i32), u64>,
}

impl Shortages {
    /// Of the program that is started next by this command.
    pub fn of(command: &mut Command) -> Self {
        let state = State { plan: Plan::Nothing, counts: vec![0; CALLS.len()], failed: BTreeMap::new() };
        let shortages = Self(Arc::new(Mutex::new(state)));
        let theirs = shortages.clone();
        watch(command, CALLS.iter().map(|call| call.number), move |number, arguments| {
            theirs.state().decide(number, arguments)
        });
        shortages
    }

    /// From now on this fails.
    pub fn plan(&self, plan: Plan) {
        let mut state = self.state();
        state.plan = plan;
        state.counts.fill(0);
        state.failed.clear();
    }

    /// Nothing fails any more. Returns how many calls of each kind there were since the plan was made, and what failed.
    pub fn end(&self) -> (Vec<u64>, BTreeMap<(&'static str, i32), u64>) {
        let mut state = self.state();
        state.plan = Plan::Nothing;
        (state.counts.clone(), std::mem::take(&mut state.failed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn decide(&mut self, number: i64, arguments: &Arguments) -> Option<i32> {
        let at = CALLS.iter().position(|call| call.number == number)?;
        let Call { name, errors, may_fail, .. } = &CALLS[at];
        if !may_fail(arguments) {
            return None;
        }
        self.counts[at] += 1;
        let error = match &mut self.plan {
            Plan::Each { call, error } if *call == at => Some(*error),
            Plan::One(site) if site.call == at && site.nth == self.counts[at] => Some(site.error),
            Plan::Some(chance, one_in) => (chance.below(*one_in) == 0).then(|| chance.one_of(errors)),
            Plan::One(_) | Plan::Each { .. } | Plan::Nothing => None,
        };
        if let Some(error) = error {
            *self.failed.entry((name, error)).or_default() += 1;
        }
        error
    }
}
