//! The stored form, read and checked: name, rules, tiers and exemptions.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::reader::{Reader, nearest, optional, quoted, shown, under};
use super::{
    Action, Condition, EXEMPTIONS_MAX, EXPIRES_IN_MAX, EXPIRES_IN_MIN, Exemption, NAME_CHARS_MAX, Names, PASS,
    POINTS_MAX, Points, RULES_MAX, Rule, Rulebook, THRESHOLD_MAX, TIERS_MAX, Threshold, Tier, json,
};
use crate::fault::Fault;
use crate::feature::FeatureType;
use crate::order::{ChallengeMethod, OnExpire, OnFail};
use crate::screening::{ChallengeTerms, HOLD_OUT};

pub(super) fn rulebook_from_bytes(bytes: &[u8]) -> Result<Rulebook, Vec<Fault>> {
    rulebook(&json::parse(bytes).map_err(|fault| vec![fault])?)
}

pub(super) fn rulebook(value: &Json) -> Result<Rulebook, Vec<Fault>> {
    let mut reader = Reader::default();
    let read = reader.rulebook(value);
    reader.finish(read)
}

impl Reader {
    fn rulebook(&mut self, value: &Json) -> Option<Rulebook> {
        let fields = self.object("", value, &["name", "rules", "tiers", "exemptions"])?;
        let name = self.required("", fields, "name").and_then(|name| self.text("/name", name, NAME_CHARS_MAX));
        let rules = self.required("", fields, "rules").map(|rules| self.rules(rules));
        let tiers = self.required("", fields, "tiers").map(|tiers| self.tiers(tiers));
        let exemptions = optional(fields, "exemptions").map(|exemptions| self.exemptions(exemptions));
        Some(Rulebook { name: name?, rules: rules?, tiers: tiers?, exemptions: exemptions.unwrap_or_default() })
    }

    fn rules(&mut self, value: &Json) -> Vec<Rule> {
        let mut ids = HashSet::new();
        let list = self.list("/rules", value, RULES_MAX, "rules");
        let rules = list.iter().enumerate().filter_map(|(index, rule)| {
            let at = under("/rules", &index);
            let fields = self.object(&at, rule, &["id", "name", "when", "points", "sweep"])?;
            let id = self.required(&at, fields, "id").and_then(|id| self.unique_id(&under(&at, "id"), id, &mut ids));
            let name = self.names(&under(&at, "name"), optional(fields, "name"));
            let when = self.required(&at, fields, "when").and_then(|when| self.condition(&under(&at, "when"), when, 1));
            let points = self
                .required(&at, fields, "points")
                .and_then(|points| self.points(&under(&at, "points"), points, when.as_ref()));
            let sweep = optional(fields, "sweep").map_or(Some(false), |sweep| {
                if !sweep.is_boolean() {
                    self.fault(&under(&at, "sweep"), format!("expected true or false, found {}", shown(sweep)));
                }
                sweep.as_bool()
            });
            Some(Rule { id: id?, name, when: when?, points: points?, sweep: sweep? })
        });
        rules.collect()
    }

    fn tiers(&mut self, value: &Json) -> Vec<Tier> {
        let mut ids = HashSet::new();
        let mut highest: Option<i64> = None;
        let list = self.list("/tiers", value, TIERS_MAX, "tiers");
        let tiers = list.iter().enumerate().filter_map(|(index, tier)| {
            let at = under("/tiers", &index);
            let fields = self.object(&at, tier, &["id", "from", "above", "action"])?;
            let id = self.required(&at, fields, "id").and_then(|id| self.tier_id(&under(&at, "id"), id, &mut ids));
            let threshold = self.threshold(&at, optional(fields, "from"), optional(fields, "above"));
            if let Some(threshold) = threshold {
                self.check_ascending(&at, threshold, highest);
                highest = highest.max(Some(threshold.score_min()));
            }
            let action =
                self.required(&at, fields, "action").and_then(|action| self.action(&under(&at, "action"), action));
            Some(Tier { id: id?, threshold: threshold?, action: action? })
        });
        tiers.collect()
    }

    fn exemptions(&mut self, value: &Json) -> Vec<Exemption> {
        let mut ids = HashSet::new();
        let list = self.list("/exemptions", value, EXEMPTIONS_MAX, "exemptions");
        let exemptions = list.iter().enumerate().filter_map(|(index, exemption)| {
            let at = under("/exemptions", &index);
            let fields = self.object(&at, exemption, &["id", "name", "when", "action"])?;
            let id = self.required(&at, fields, "id").and_then(|id| self.exemption_id(&under(&at, "id"), id, &mut ids));
            let name = self.names(&under(&at, "name"), optional(fields, "name"));
            let when = self.required(&at, fields, "when").and_then(|when| self.condition(&under(&at, "when"), when, 1));
            if let Some(action) = self.required(&at, fields, "action") {
                self.word(&under(&at, "action"), action, &[("release", ())]);
            }
            Some(Exemption { id: id?, name, when: when? })
        });
        exemptions.collect()
    }

    fn unique_id(&mut self, at: &str, value: &Json, ids: &mut HashSet<Arc<str>>) -> Option<Arc<str>> {
        let id = self.id(at, value)?;
        if !ids.insert(id.clone()) {
            self.fault(at, format!("the id {} is used twice", quoted(&id)));
        }
        Some(id)
    }

    fn tier_id(&mut self, at: &str, value: &Json, ids: &mut HashSet<Arc<str>>) -> Option<Arc<str>> {
        let id = self.unique_id(at, value, ids)?;
        if &*id == PASS {
            self.fault(at, format!("the id {PASS:?} is reserved for orders that reach no tier"));
        }
        Some(id)
    }

    fn exemption_id(&mut self, at: &str, value: &Json, ids: &mut HashSet<Arc<str>>) -> Option<Arc<str>> {
        let id = self.unique_id(at, value, ids)?;
        if &*id == HOLD_OUT {
            self.fault(
                at,
                format!("the id {HOLD_OUT:?} is reserved for orders that are held out of screening's effect"),
            );
        }
        Some(id)
    }

    fn names(&mut self, at: &str, value: Option<&Json>) -> Names {
        let Some(fields) = value.and_then(|value| self.object(at, value, &["zh", "en"])) else {
            return Names::default();
        };
        let mut name = |language: &str| {
            optional(fields, language).and_then(|name| self.text(&under(at, language), name, NAME_CHARS_MAX))
        };
        Names { zh: name("zh"), en: name("en") }
    }

    fn points(&mut self, at: &str, value: &Json, when: Option<&Condition>) -> Option<Points> {
        if !value.is_object() {
            if value.is_number() {
                return self.integer(at, value, POINTS_MAX).map(Points::Flat);
            }
            let expected = "expected an integer, or an object with base, per, above and max";
            self.fault(at, format!("{expected}, found {}", shown(value)));
            return None;
        }
        let fields = self.object(at, value, &["base", "per", "above", "max"])?;
        let base =
            self.required(at, fields, "base").and_then(|base| self.integer(&under(at, "base"), base, POINTS_MAX));
        let per = self.required(at, fields, "per").and_then(|per| self.decimal(&under(at, "per"), per));
        let above = self.required(at, fields, "above").and_then(|above| self.decimal(&under(at, "above"), above));
        let max = self.required(at, fields, "max").and_then(|max| self.integer(&under(at, "max"), max, POINTS_MAX));
        if per.is_some_and(|per| per <= rust_decimal::Decimal::ZERO) {
            self.fault(&under(at, "per"), "expected more than 0: each unit above the threshold adds points");
        }
        if let (Some(base), Some(max)) = (base, max)
            && max < base
        {
            self.fault(&under(at, "max"), format!("expected at least the base of {base}, found {max}"));
        }
        if let Some(feature) = when.map(|when| when.first_comparison().feature)
            && !matches!(feature.feature.spec().feature_type, FeatureType::Int | FeatureType::Decimal)
        {
            let found = feature.feature.spec().feature_type.name();
            let expected = "expected the rule's first comparison to be of an int or a decimal, whose value grades them";
            self.fault(at, format!("{expected}; {feature} is of type {found}"));
        }
        Some(Points::Graded { base: base?, per: per?, above: above?, max: max? })
    }

    fn threshold(&mut self, at: &str, from: Option<&Json>, above: Option<&Json>) -> Option<Threshold> {
        match (from, above) {
            (Some(from), None) => self.integer(&under(at, "from"), from, THRESHOLD_MAX).map(Threshold::From),
            (None, Some(above)) => self.integer(&under(at, "above"), above, THRESHOLD_MAX).map(Threshold::Above),
            (None, None) => {
                self.fault(at, "expected \"from\" (this score and more) or \"above\" (more than this score)");
                None
            }
            (Some(_), Some(_)) => {
                self.fault(at, "expected only one of \"from\" and \"above\"");
                None
            }
        }
    }

    fn check_ascending(&mut self, at: &str, threshold: Threshold, highest: Option<i64>) {
        let score = threshold.score_min();
        let field = match threshold {
            Threshold::From(_) => "from",
            Threshold::Above(_) => "above",
        };
        if let Some(highest) = highest.filter(|highest| score <= *highest) {
            let before = if score == highest {
                "just like the one before it".to_owned()
            } else {
                format!("the one before it at {highest}")
            };
            let expected = "expected tiers in strictly ascending order";
            self.fault(&under(at, field), format!("{expected}; this one begins at {score}, {before}"));
        }
    }

    fn action(&mut self, at: &str, value: &Json) -> Option<Action> {
        if value.as_str() == Some("freeze") {
            return Some(Action::Freeze);
        }
        if !value.is_object() {
            let hint = value.as_str().map_or_else(String::new, |text| nearest(text, ["freeze"].into_iter()));
            let expected = "expected \"freeze\", or an object with challenge, expires_in, on_fail and on_expire";
            self.fault(at, format!("{expected}, found {}{hint}", shown(value)));
            return None;
        }
        let fields = self.object(at, value, &["challenge", "expires_in", "on_fail", "on_expire"])?;
        let method = self.required(at, fields, "challenge").and_then(|method| {
            let words = [("sms", ChallengeMethod::Sms), ("call", ChallengeMethod::Call)];
            self.word(&under(at, "challenge"), method, &words)
        });
        let expires_in = self
            .required(at, fields, "expires_in")
            .and_then(|span| self.span(&under(at, "expires_in"), span, EXPIRES_IN_MIN..=EXPIRES_IN_MAX));
        let on_fail = self.required(at, fields, "on_fail").and_then(|then| {
            let words = [("freeze", OnFail::Freeze), ("review", OnFail::Review)];
            self.word(&under(at, "on_fail"), then, &words)
        });
        let on_expire = self.required(at, fields, "on_expire").and_then(|then| {
            let words = [("review", OnExpire::Review), ("freeze", OnExpire::Freeze), ("release", OnExpire::Release)];
            self.word(&under(at, "on_expire"), then, &words)
        });
        let terms =
            ChallengeTerms { method: method?, expires_in: expires_in?, on_fail: on_fail?, on_expire: on_expire? };
        Some(Action::Challenge(terms))
    }
}
