//! `--constraint`: which nodes will do.

use headroom_proto::v1::{Constraint, ConstraintGroup, NodeFact, constraint};

/// Makes a predicate of what stands behind its sign.
type Make = fn(String) -> constraint::Predicate;

/// `rack=r7`, `rack!=r7`, `rack=~r[0-9]+`, `rack!~r[0-9]+` (a regular expression that all of it
/// matches, or not), `rack` (is set) or `!rack` (is not); `@hostname`, `@region` and `@zone` are the
/// node's own.
pub(super) fn parse(text: &str) -> Result<Constraint, String> {
    // The first of these signs divides: what follows may hold any of them.
    let signs: [(&str, Make); 4] = [
        ("!=", constraint::Predicate::NotEquals),
        ("!~", constraint::Predicate::NotMatches),
        ("=~", constraint::Predicate::Matches),
        ("=", constraint::Predicate::Equals),
    ];
    let found = signs.iter().filter_map(|(sign, make)| Some((text.find(sign)?, *sign, make)));
    // Of two at one place (`=~`, `=`) the longer, which comes first, is meant.
    let (name, predicate) = match found.min_by_key(|(at, ..)| *at) {
        Some((at, sign, make)) => (&text[..at], make(text[at + sign.len()..].to_owned())),
        None => match text.strip_prefix('!') {
            Some(name) => (name, constraint::Predicate::Exists(false)),
            None => (text, constraint::Predicate::Exists(true)),
        },
    };
    let selector = match name {
        "" => {
            return Err(
                "name an attribute: rack=r7, rack!=r7, rack=~r.*, rack!~r.*, rack or !rack".into(),
            );
        }
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
        assert_eq!(of("rack=a!=b"), Ok((rack(), Predicate::Equals("a!=b".into()))));
        assert_eq!(of("rack=~r[0-9]+"), Ok((rack(), Predicate::Matches("r[0-9]+".into()))));
        assert_eq!(of("rack!~a=~b"), Ok((rack(), Predicate::NotMatches("a=~b".into()))));
        assert_eq!(of("rack=r~"), Ok((rack(), Predicate::Equals("r~".into()))));
        assert_eq!(of("rack"), Ok((rack(), Predicate::Exists(true))));
        assert_eq!(of("!rack"), Ok((rack(), Predicate::Exists(false))));
        let zone = Selector::Fact(NodeFact::Zone.into());
        assert_eq!(of("@zone=eu-1"), Ok((zone, Predicate::Equals("eu-1".into()))));
        for text in ["", "=x", "!", "@rack=1"] {
            assert!(parse(text).is_err(), "{text} was taken");
        }
    }
}
