//! What a policy answers.

/// A decision, with the index of the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Some rules allow it, and none denies it.
    Allowed(Allowance),
    /// No rule allows it.
    Silent,
    /// This rule denies it; `None`: casbin failed, which is a denial too.
    Denied(Option<usize>),
}

/// The rules that allow something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowance {
    /// The one to name.
    pub rule: usize,
    /// The rules that each take a second person; empty: one rule takes nobody else.
    pub with: Vec<usize>,
}

impl Allowance {
    /// What two names of one person allow together: a rule that takes nobody else wins.
    pub fn or(self, mut other: Self) -> Self {
        if self.with.is_empty() {
            return self;
        }
        if !other.with.is_empty() {
            other.rule = self.rule;
            other.with.extend(self.with);
        }
        other
    }
}

impl Verdict {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// The rule behind it.
    pub fn rule(&self) -> Option<usize> {
        match self {
            Self::Allowed(allowance) => Some(allowance.rule),
            Self::Denied(rule) => *rule,
            Self::Silent => None,
        }
    }
}
