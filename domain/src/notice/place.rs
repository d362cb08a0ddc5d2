//! Where in a document a reader is: a list on the stack that becomes a pointer only when something is wrong there.

use std::fmt::Write as _;

use crate::fault::{Fault, escape};

/// One place of a document, known by the place around it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    around: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Prefix(&'a str),
    Field(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// The whole document, itself found under `prefix` (a pointer, or empty).
    pub(super) const fn whole(prefix: &'a str) -> Self {
        Self { around: None, step: Step::Prefix(prefix) }
    }

    /// A field of the object that is here.
    pub(super) const fn field(&'a self, name: &'a str) -> Self {
        Self { around: Some(self), step: Step::Field(name) }
    }

    /// An element of the list that is here.
    pub(super) const fn index(&'a self, index: usize) -> Self {
        Self { around: Some(self), step: Step::Index(index) }
    }

    /// Whether this is the whole document.
    pub(super) const fn is_whole(&self) -> bool {
        self.around.is_none()
    }

    /// A fault at this place.
    pub(super) fn fault(&self, detail: impl Into<String>) -> Fault {
        let mut pointer = String::new();
        self.write(&mut pointer);
        Fault::new(pointer, detail)
    }

    fn write(&self, pointer: &mut String) {
        if let Some(around) = self.around {
            around.write(pointer);
        }
        match self.step {
            Step::Prefix(prefix) => pointer.push_str(prefix),
            Step::Field(name) => {
                pointer.push('/');
                pointer.push_str(&escape(name));
            }
            Step::Index(index) => {
                // Writing to a string cannot fail.
                let _ = write!(pointer, "/{index}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_an_escaped_pointer() {
        let whole = Place::whole("/3");
        let lines = whole.field("li/nes~");
        assert_eq!(lines.index(7).field("sku").fault("x").pointer, "/3/li~1nes~0/7/sku");
        assert_eq!(Place::whole("").fault("x").pointer, "");
    }
}
