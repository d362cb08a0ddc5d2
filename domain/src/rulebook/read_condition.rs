//! Conditions of the stored form, checked against the catalogue.

use serde_json::{Map, Value as Json};

use super::reader::{Reader, nearest, optional, quoted, shown, under};
use super::{CONDITION_DEPTH_MAX, CONDITION_NODES_MAX, Comparison, Condition, LIST_MAX, Relation, Test};
use crate::feature::{CATALOGUE, Feature, FeatureRef, FeatureType, WINDOW_MAX, WINDOW_MIN};

/// The fields of which a condition has exactly one: it says what form the condition has.
const FORMS: [&str; 4] = ["all", "any", "not", "feature"];

const OPERATORS: &str = "==, !=, <, <=, >, >=, in or not_in";

#[derive(Clone, Copy)]
enum Operator {
    Is(Relation),
    In,
    NotIn,
}

impl Reader {
    /// A condition that stands `depth` levels deep, the outermost at one.
    pub(super) fn condition(&mut self, at: &str, value: &Json, depth: usize) -> Option<Condition> {
        if depth > CONDITION_DEPTH_MAX {
            self.fault(at, format!("conditions can be nested at most {CONDITION_DEPTH_MAX} levels deep"));
            return None;
        }
        self.condition_nodes += 1;
        if self.condition_nodes > CONDITION_NODES_MAX {
            if self.condition_nodes == CONDITION_NODES_MAX + 1 {
                let limit = format!("a rulebook's conditions can have at most {CONDITION_NODES_MAX} parts together");
                self.fault(at, format!("{limit}; this one is past it, and those after it were not read"));
            }
            return None;
        }
        let form = self.form(at, value)?;
        match form {
            "all" | "any" => {
                let fields = self.object(at, value, &[form])?;
                let parts = self.conditions(&under(at, form), &fields[form], depth)?;
                Some(if form == "all" { Condition::All(parts) } else { Condition::Any(parts) })
            }
            "not" => {
                let fields = self.object(at, value, &[form])?;
                let part = self.condition(&under(at, form), &fields[form], depth + 1)?;
                Some(Condition::Not(Box::new(part)))
            }
            _ => {
                let fields = self.object(at, value, &["feature", "window", "op", "value"])?;
                self.comparison(at, fields).map(Condition::Compare)
            }
        }
    }

    fn form(&mut self, at: &str, value: &Json) -> Option<&'static str> {
        let mut forms = FORMS.into_iter().filter(|form| value.get(form).is_some());
        let form = forms.next();
        if form.is_none() || forms.next().is_some() {
            let expected =
                "expected exactly one of \"all\", \"any\", \"not\", or a comparison with feature, op and value";
            let found = if value.is_object() { String::new() } else { format!(", found {}", shown(value)) };
            self.fault(at, format!("{expected}{found}"));
            return None;
        }
        form
    }

    fn conditions(&mut self, at: &str, value: &Json, depth: usize) -> Option<Vec<Condition>> {
        let list = self.list(at, value, LIST_MAX, "conditions");
        if value.as_array().is_some_and(Vec::is_empty) {
            self.fault(at, "expected at least one condition");
        }
        let read: Vec<_> = list
            .iter()
            .enumerate()
            .filter_map(|(index, part)| self.condition(&under(at, &index), part, depth + 1))
            .collect();
        (!read.is_empty() && read.len() == list.len()).then_some(read)
    }

    fn comparison(&mut self, at: &str, fields: &Map<String, Json>) -> Option<Comparison> {
        let named = self.required(at, fields, "feature").and_then(|name| self.feature(&under(at, "feature"), name));
        let window = optional(fields, "window");
        let feature = match named {
            Some(named) => self.window(&under(at, "window"), window, named),
            None => {
                window.and_then(|window| self.span(&under(at, "window"), window, WINDOW_MIN..=WINDOW_MAX));
                None
            }
        };
        let operator =
            self.required(at, fields, "op").and_then(|symbol| self.operator(&under(at, "op"), symbol, named));
        let value = self.required(at, fields, "value");
        let test = match (named, operator, value) {
            (Some(named), Some(operator), Some(value)) => self.test(&under(at, "value"), operator, value, named),
            _ => None,
        };
        Some(Comparison { feature: feature?, test: test? })
    }

    fn feature(&mut self, at: &str, value: &Json) -> Option<Feature> {
        let feature = value.as_str().and_then(Feature::named);
        if feature.is_none() {
            let hint =
                value.as_str().map_or_else(String::new, |name| nearest(name, CATALOGUE.iter().map(|spec| spec.name)));
            self.fault(at, format!("expected the name of a feature, found {}{hint}", shown(value)));
        }
        feature
    }

    fn window(&mut self, at: &str, value: Option<&Json>, feature: Feature) -> Option<FeatureRef> {
        match (value, feature.spec().takes_window()) {
            (None, false) => Some(FeatureRef { feature, window: None }),
            (Some(window), true) => {
                let window = self.span(at, window, WINDOW_MIN..=WINDOW_MAX)?;
                Some(FeatureRef { feature, window: Some(window) })
            }
            (None, true) => {
                self.fault(at, format!("{feature} needs a window from \"{WINDOW_MIN}\" to \"{WINDOW_MAX}\""));
                None
            }
            (Some(_), false) => {
                self.fault(at, format!("{feature} takes no window"));
                None
            }
        }
    }

    fn operator(&mut self, at: &str, value: &Json, feature: Option<Feature>) -> Option<Operator> {
        let operator = match value.as_str() {
            Some("in") => Some(Operator::In),
            Some("not_in") => Some(Operator::NotIn),
            symbol => Relation::ALL.into_iter().find(|relation| symbol == Some(relation.symbol())).map(Operator::Is),
        };
        if operator.is_none() {
            self.fault(at, format!("expected {OPERATORS}, found {}", shown(value)));
        }
        if let (Some(Operator::Is(relation)), Some(feature)) = (&operator, feature)
            && relation.needs_order()
            && matches!(feature.spec().feature_type, FeatureType::Bool | FeatureType::Text)
        {
            let symbol = quoted(relation.symbol());
            let found = format!("{feature} is of type {}, which has no order", feature.spec().feature_type.name());
            self.fault(at, format!("{found}: expected ==, !=, in or not_in, found {symbol}"));
        }
        operator
    }

    fn test(&mut self, at: &str, operator: Operator, value: &Json, feature: Feature) -> Option<Test> {
        if let Operator::Is(relation) = operator {
            return self.constant(at, value, feature).map(|constant| Test::Is(relation, constant));
        }
        let list = self.list(at, value, LIST_MAX, "constants");
        if value.as_array().is_some_and(Vec::is_empty) {
            self.fault(at, "expected at least one constant");
        }
        let constants: Vec<_> = list
            .iter()
            .enumerate()
            .filter_map(|(index, constant)| self.constant(&under(at, &index), constant, feature))
            .collect();
        Some(if matches!(operator, Operator::In) { Test::In(constants) } else { Test::NotIn(constants) })
    }
}
