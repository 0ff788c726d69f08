//! `--constraint`: which nodes will do.

use headroom_proto::v1::{Constraint, ConstraintGroup, NodeFact, constraint};

/// `rack=r7`, `rack!=r7`, `rack` (is set) or `!rack` (is not); `@hostname`, `@region` and `@zone`
/// are the node's own.
pub(super) fn parse(text: &str) -> Result<Constraint, String> {
    let (name, predicate) = match (text.split_once("!="), text.split_once('=')) {
        (Some((name, value)), _) => (name, constraint::Predicate::NotEquals(value.into())),
        (_, Some((name, value))) => (name, constraint::Predicate::Equals(value.into())),
        _ => match text.strip_prefix('!') {
            Some(name) => (name, constraint::Predicate::Exists(false)),
            None => (text, constraint::Predicate::Exists(true)),
        },
    };
    let selector = match name {
        "" => return Err("name an attribute: rack=r7, rack!=r7, rack or !rack".into()),
        "@hostname" => constraint::Selector::Fact(NodeFact::Hostname.into()),
        "@region" => constraint::Selector::Fact(NodeFact::Region.into()),
        "@zone" => constraint::Selector::Fact(NodeFact::Zone.into()),
        fact if fact.starts_with('@') => {
            return Err(format!("{fact} is none of @hostname, @region and @zone"));
        }
        name => constraint::Selector::Attribute(name.into()),
    };
    Ok(Constraint { selector: Some(selector), predicate: Some(predicate) })
}

/// All of them must hold.
pub(super) fn group(constraints: &[Constraint]) -> Vec<ConstraintGroup> {
    if constraints.is_empty() {
        return Vec::new();
    }
    vec![ConstraintGroup { constraints: constraints.to_vec() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form() {
        use constraint::{Predicate, Selector};
        let of = |text| parse(text).map(|one| (one.selector.unwrap(), one.predicate.unwrap()));
        let rack = || Selector::Attribute("rack".into());
        assert_eq!(of("rack=r7"), Ok((rack(), Predicate::Equals("r7".into()))));
        assert_eq!(of("rack!=a=b"), Ok((rack(), Predicate::NotEquals("a=b".into()))));
        assert_eq!(of("rack"), Ok((rack(), Predicate::Exists(true))));
        assert_eq!(of("!rack"), Ok((rack(), Predicate::Exists(false))));
        let zone = Selector::Fact(NodeFact::Zone.into());
        assert_eq!(of("@zone=eu-1"), Ok((zone, Predicate::Equals("eu-1".into()))));
        for text in ["", "=x", "!", "@rack=1"] {
            assert!(parse(text).is_err(), "{text} was taken");
        }
    }
}
