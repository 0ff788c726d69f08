//! Offer constraints: on which agents' attributes a framework insists before it is offered anything.
//!
//! As in Mesos: groups of which one must hold, each a list of constraints that must all hold, on an
//! attribute by name or on the agent's own hostname, region or zone. Attributes are text here, so what
//! Mesos says of scalars and ranges (no text predicate excludes them) has no case.

use crate::{domain::Domain, pattern::Pattern};
use std::{collections::BTreeMap, fmt};
use thiserror::Error;

/// Groups of one framework: at most.
pub const MAX_GROUPS: usize = 100;
/// Constraints in one group: at most.
pub const MAX_CONSTRAINTS: usize = 100;
/// Regular expressions of one framework: at most; each may take some kilobytes.
pub const MAX_PATTERNS: usize = 1_000;
/// Names and texts have at most so many bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// What of an agent is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The attribute of this name.
    Attribute(String),
    /// The node's name.
    Hostname,
    /// The region of its fault domain.
    Region,
    /// The zone of its fault domain.
    Zone,
}

/// What must be true of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// It is there.
    Exists,
    /// It is not there.
    NotExists,
    /// It is there and is this text.
    Equals(String),
    /// It is not there or is another text.
    NotEquals(String),
    /// It is there and all of it matches (Mesos: `TextMatches`).
    Matches(Pattern),
    /// It is not there or not all of it matches (Mesos: `TextNotMatches`).
    NotMatches(Pattern),
}

/// One constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// What is looked at.
    pub selector: Selector,
    /// What must be true of it.
    pub predicate: Predicate,
}

/// Why constraints are refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConstraintError {
    /// A list that would exclude all agents, or none.
    #[error("group {0} of the offer constraints is empty")]
    EmptyGroup(usize),
    /// No group: no agent would do.
    #[error("the offer constraints have no group: no agent would ever do")]
    NoGroup,
    /// A bound.
    #[error("the offer constraints have more than {bound} {what}")]
    Bound {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        bound: usize,
    },
}

/// What is looked at of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its node's name.
    pub hostname: &'a str,
    /// Its attributes.
    pub attributes: &'a BTreeMap<String, String>,
    /// Where it stands, if it says so.
    pub domain: Option<&'a Domain>,
}

impl Subject<'_> {
    fn value(&self, selector: &Selector) -> Option<&str> {
        match selector {
            Selector::Attribute(name) => self.attributes.get(name).map(String::as_str),
            Selector::Hostname => Some(self.hostname),
            Selector::Region => self.domain.map(|domain| domain.region.as_str()),
            Selector::Zone => self.domain.map(|domain| domain.zone.as_str()),
        }
    }
}

impl Constraint {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, subject: Subject<'_>) -> bool {
        let value = subject.value(&self.selector);
        match &self.predicate {
            Predicate::Exists => value.is_some(),
            Predicate::NotExists => value.is_none(),
            Predicate::Equals(text) => value == Some(text),
            Predicate::NotEquals(text) => value != Some(text),
            Predicate::Matches(pattern) => value.is_some_and(|value| pattern.matches(value)),
            Predicate::NotMatches(pattern) => !value.is_some_and(|value| pattern.matches(value)),
        }
    }

    const fn has_pattern(&self) -> bool {
        matches!(self.predicate, Predicate::Matches(_) | Predicate::NotMatches(_))
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let name = match &self.selector {
            Selector::Attribute(name) => Some(name.as_str()),
            Selector::Hostname | Selector::Region | Selector::Zone => None,
        };
        let text = match &self.predicate {
            Predicate::Equals(text) | Predicate::NotEquals(text) => Some(text.as_str()),
            Predicate::Matches(pattern) | Predicate::NotMatches(pattern) => Some(pattern.as_str()),
            Predicate::Exists | Predicate::NotExists => None,
        };
        name.into_iter().chain(text)
    }
}

/// The constraints of one framework; the default lets every agent pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints(Vec<Vec<Constraint>>);

impl Constraints {
    /// Constraints of which one group must hold.
    ///
    /// # Errors
    /// There is no group, one is empty, or a bound is passed.
    pub fn any_of(groups: Vec<Vec<Constraint>>) -> Result<Self, ConstraintError> {
        if groups.is_empty() {
            return Err(ConstraintError::NoGroup);
        }
        if groups.len() > MAX_GROUPS {
            return Err(ConstraintError::Bound { what: "groups", bound: MAX_GROUPS });
        }
        for (at, group) in groups.iter().enumerate() {
            if group.is_empty() {
                return Err(ConstraintError::EmptyGroup(at));
            }
            if group.len() > MAX_CONSTRAINTS {
                let what = "constraints in a group";
                return Err(ConstraintError::Bound { what, bound: MAX_CONSTRAINTS });
            }
            if group.iter().flat_map(Constraint::texts).any(|text| text.len() > MAX_TEXT_BYTES) {
                return Err(ConstraintError::Bound {
                    what: "bytes in a text",
                    bound: MAX_TEXT_BYTES,
                });
            }
        }
        let patterns = groups.iter().flatten().filter(|constraint| constraint.has_pattern());
        if patterns.count() > MAX_PATTERNS {
            return Err(ConstraintError::Bound {
                what: "regular expressions",
                bound: MAX_PATTERNS,
            });
        }
        Ok(Self(groups))
    }

    /// The groups; none: every agent passes.
    #[must_use]
    pub fn groups(&self) -> &[Vec<Constraint>] {
        &self.0
    }

    /// Whether the agent passes.
    #[must_use]
    pub fn admit(&self, subject: Subject<'_>) -> bool {
        self.fault(subject).is_none()
    }

    /// The first constraint of the first group that does not hold, if no group holds.
    #[must_use]
    pub fn fault(&self, subject: Subject<'_>) -> Option<&Constraint> {
        let mut first = None;
        for group in &self.0 {
            match group.iter().find(|constraint| !constraint.holds(subject)) {
                None => return None,
                Some(fault) => first = first.or(Some(fault)),
            }
        }
        first
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            Selector::Attribute(name) => write!(f, "attribute {name}")?,
            Selector::Hostname => write!(f, "hostname")?,
            Selector::Region => write!(f, "region")?,
            Selector::Zone => write!(f, "zone")?,
        }
        match &self.predicate {
            Predicate::Exists => write!(f, " is set"),
            Predicate::NotExists => write!(f, " is not set"),
            Predicate::Equals(text) => write!(f, " is {text:?}"),
            Predicate::NotEquals(text) => write!(f, " is not {text:?}"),
            Predicate::Matches(pattern) => write!(f, " matches {pattern}"),
            Predicate::NotMatches(pattern) => write!(f, " does not match {pattern}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn constraint(selector: Selector, predicate: Predicate) -> Constraint {
        Constraint { selector, predicate }
    }

    fn attribute(name: &str, predicate: Predicate) -> Constraint {
        constraint(Selector::Attribute(name.into()), predicate)
    }

    fn with<T>(then: impl Fn(Subject<'_>) -> T) -> T {
        let attributes = BTreeMap::from([("rack".to_owned(), "r7".to_owned())]);
        let domain = Domain { region: "eu".into(), zone: "eu-1".into() };
        then(Subject { hostname: "n1", attributes: &attributes, domain: Some(&domain) })
    }

    #[test]
    fn each_predicate_on_what_is_there_and_what_is_not() {
        use Predicate::{Equals, Exists, Matches, NotEquals, NotExists, NotMatches};
        let equals = |text: &str| Equals(text.into());
        let not = |text: &str| NotEquals(text.into());
        let matches = |text| Matches(Pattern::new(text).unwrap());
        let not_matches = |text| NotMatches(Pattern::new(text).unwrap());
        for (predicate, on_r7, on_nothing) in [
            (Exists, true, false),
            (NotExists, false, true),
            (equals("r7"), true, false),
            (equals("R7"), false, false),
            (not("r7"), false, true),
            (not("r8"), true, true),
            (matches("r[0-9]"), true, false),
            (matches("r"), false, false),
            (matches(".*"), true, false),
            (not_matches("r[0-9]"), false, true),
            (not_matches("r"), true, true),
            (not_matches(".*"), false, true),
        ] {
            let there = attribute("rack", predicate.clone());
            let absent = attribute("floor", predicate.clone());
            assert_eq!(with(|subject| there.holds(subject)), on_r7, "{there}");
            assert_eq!(with(|subject| absent.holds(subject)), on_nothing, "{absent}");
        }
        for (selector, text) in
            [(Selector::Hostname, "n1"), (Selector::Region, "eu"), (Selector::Zone, "eu-1")]
        {
            assert!(with(|subject| constraint(selector.clone(), equals(text)).holds(subject)));
            assert!(with(
                |subject| constraint(selector.clone(), matches("eu(-.)?|n.")).holds(subject)
            ));
        }
        let nowhere = Subject { hostname: "n", attributes: &BTreeMap::new(), domain: None };
        assert!(constraint(Selector::Zone, NotExists).holds(nowhere));
        assert!(!constraint(Selector::Zone, matches(".*")).holds(nowhere));
        assert!(constraint(Selector::Zone, not_matches(".*")).holds(nowhere));
    }

    #[test]
    fn expressions_are_bounded() {
        let one = || attribute("rack", Predicate::Matches(Pattern::new("r.*").unwrap()));
        let groups = |count: usize| vec![vec![one(); MAX_CONSTRAINTS]; count / MAX_CONSTRAINTS];
        assert!(Constraints::any_of(groups(MAX_PATTERNS)).is_ok());
        let mut many = groups(MAX_PATTERNS);
        many.push(vec![one()]);
        let error = Constraints::any_of(many).unwrap_err();
        assert!(error.to_string().contains("more than 1000 regular expressions"), "{error}");
    }

    #[test]
    fn one_group_is_enough_and_the_fault_is_named() {
        let rack = |rack: &str| attribute("rack", Predicate::Equals(rack.into()));
        let host = constraint(Selector::Hostname, Predicate::Equals("n2".into()));
        let both = Constraints::any_of(vec![vec![rack("r7"), host.clone()], vec![rack("r7")]]);
        assert!(with(|subject| both.as_ref().unwrap().admit(subject)));
        let narrow = Constraints::any_of(vec![vec![rack("r7"), host], vec![rack("r8")]]).unwrap();
        let fault = with(|subject| narrow.fault(subject).map(ToString::to_string));
        assert_eq!(fault.as_deref(), Some("hostname is \"n2\""));
        assert!(with(|subject| Constraints::default().admit(subject)));
        assert_eq!(Constraints::any_of(vec![]), Err(ConstraintError::NoGroup));
        assert_eq!(Constraints::any_of(vec![vec![]]), Err(ConstraintError::EmptyGroup(0)));
    }

    proptest! {
        #[test]
        fn a_constraint_and_its_opposite_share_every_agent_out(
            name in "[ab]", text in "[xy]", attributes in prop::collection::btree_map("[ab]", "[xy]", 0..3),
        ) {
            let subject = Subject { hostname: "h", attributes: &attributes, domain: None };
            let holds = |predicate| attribute(&name, predicate).holds(subject);
            prop_assert_ne!(holds(Predicate::Exists), holds(Predicate::NotExists));
            prop_assert_ne!(
                holds(Predicate::Equals(text.clone())), holds(Predicate::NotEquals(text.clone()))
            );
            // A text without signs matches itself only.
            let pattern = Pattern::new(text.clone()).unwrap();
            prop_assert_eq!(
                holds(Predicate::Equals(text)), holds(Predicate::Matches(pattern.clone()))
            );
            prop_assert_ne!(
                holds(Predicate::Matches(pattern.clone())), holds(Predicate::NotMatches(pattern))
            );
        }
    }
}
