//! What the process may do.

use rustix::thread::{capabilities, set_capabilities};

/// Makes effective what is permitted. The image's binary carries its capabilities as permitted ones
/// only, so that it starts where the engine grants none of them.
pub(crate) fn raise() {
    // Nothing is lost on an error: what needs a capability that is not there says so itself.
    let _raised = capabilities(None).and_then(|mut sets| {
        sets.effective = sets.permitted;
        set_capabilities(None, sets)
    });
}
