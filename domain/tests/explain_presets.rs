//! Every rule of every preset, explained to people: in whole words, with nothing of the machine in them.

use domain::explain::{Explanation, explain, explain_otherwise, would_pass_if};
use domain::feature::CATALOGUE;
use domain::order::ScoredCause;
use domain::rulebook::check::check;
use domain::rulebook::{PRESETS, Rulebook, preset};
use domain::screening::screen;
use serde_json::{Value as Json, json};

/// The texts for an order for which only this rule fires, with its tier out of the way.
fn texts(rule: &Json) -> Vec<Explanation> {
    let points = &rule["points"];
    let least = points.as_i64().or(points["base"].as_i64()).expect("points");
    let tiers = json!([{"id": "hold", "from": least, "action": "freeze"}]);
    let alone = json!({"name": "Alone", "rules": [rule], "tiers": tiers});
    let rulebook = Rulebook::from_json(&alone).expect("a rule of a preset stands alone");
    let witness = &check(&rulebook).witnesses["hold"];
    let evaluator = rulebook.compile(1);
    let values = evaluator.values(&witness.features);
    let scored = screen(&evaluator, &values, ScoredCause::Placed).scored;
    assert_eq!(scored.hits.len(), 1, "{rule}");
    let found = would_pass_if(&rulebook, &evaluator, &values, &|values, findings| evaluator.evaluate(values, findings));
    assert!(!found.is_empty(), "something would have let it pass: {rule}");
    let mut texts = vec![explain(&scored, &rulebook)];
    texts.extend(found.iter().map(|otherwise| explain_otherwise(otherwise, &scored.features)));
    texts
}

#[test]
fn no_rule_of_a_preset_is_explained_with_names_of_the_machine() {
    for (name, _) in PRESETS {
        let stored: Json = serde_json::from_str(&preset(name).unwrap().to_json()).unwrap();
        for rule in stored["rules"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|rule| rule["points"].as_i64() > Some(0) || rule["points"].is_object())
        {
            for Explanation { zh, en } in texts(rule) {
                println!("{zh}\n{en}");
                // A signal is called what its merchant calls it.
                let texts = [&zh, &en].map(|text| text.replace("logistics_pressure", "pressure"));
                for text in &texts {
                    for spec in CATALOGUE {
                        assert!(!text.contains(spec.name), "{text}");
                    }
                    for word in ["true", "false", "null", "_", "[", "  ", "（）", "()", "：未知", "9223372036854775807"]
                    {
                        assert!(!text.contains(word), "{word}: {text}");
                    }
                }
                assert!(zh.ends_with('。') && en.ends_with('.') && !zh.contains(". "), "{zh} {en}");
            }
        }
    }
}
