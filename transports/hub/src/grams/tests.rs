use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn choice(literals: &[String]) -> Choice {
    Choice::new(|| literals.iter().map(String::as_str))
}

fn candidates(grams: &Grams, topic: &str) -> Vec<u32> {
    let mut found = Vec::new();
    grams.candidates(topic.as_bytes(), |key| found.push(key));
    found
}

proptest! {
    #[test]
    fn a_pattern_is_a_candidate_of_every_topic_that_has_its_literals(
        patterns in prop::collection::vec(prop::collection::vec("[ab]{0,4}|[a-c]{7,9}|[a-z]{60,900}", 0..4), 1..12),
        between in "[ab]{0,3}|x{600}",
    ) {
        let mut grams = Grams::default();
        let filed: Vec<_> =
            patterns.iter().zip(0..).map(|(literals, key)| grams.insert(&choice(literals), key)).collect();
        for ((literals, key), gram) in patterns.iter().zip(0..).zip(&filed) {
            prop_assert_eq!(gram.is_some(), literals.iter().any(|literal| !literal.is_empty()));
            let found = candidates(&grams, &literals.join(&between));
            prop_assert!(gram.is_none() || found.contains(&key));
        }
        for (gram, key) in filed.into_iter().zip(0..) {
            gram.into_iter().for_each(|gram| grams.remove(gram, key));
        }
        prop_assert!(grams.filed.is_empty() && grams.lengths == [0; LONGEST + 1]);
    }

    #[test]
    fn a_long_pattern_has_few_choices_and_the_last_is_its_end(
        literals in prop::collection::vec("[a-z]{0,2000}", 0..5), last in "[a-z]{8,900}",
    ) {
        let all = [literals, vec![last.clone()]].concat();
        let Choice(chosen) = choice(&all);
        prop_assert!((1..=CHOICES).contains(&chosen.len()));
        let end = Gram::new(&last.as_bytes()[last.len() - LONGEST..]);
        prop_assert_eq!(chosen.last(), Some(&end));
    }
}

#[test]
fn patterns_that_differ_at_their_end_alone_are_filed_apart() {
    let mut grams = Grams::default();
    let pattern = |number: u32| vec![format!("{}/{number:08}", "x".repeat(40_000))];
    let homes: BTreeSet<_> = (0..100).map(|number| grams.insert(&choice(&pattern(number)), number)).collect();
    assert_eq!(homes.len(), 100);
}

#[test]
fn a_candidate_of_a_long_topic_comes_once_for_each_gram() {
    let mut grams = Grams::default();
    grams.insert(&choice(&["aaaaaaaa".to_owned()]), 7);
    assert_eq!(candidates(&grams, &"a".repeat(64 << 10)), [7]);
}
