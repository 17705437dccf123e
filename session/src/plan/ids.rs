//! That rules of a kind have ids of their own, and name BARs that are there.

use super::CompileError;
use crate::id::repeated;
use crate::rule::Rules;

pub(super) fn check_ids(rules: &Rules) -> Result<(), CompileError> {
    let pdrs = rules.pdrs.iter().map(|pdr| (pdr.id, pdr.part));
    repeated(pdrs).map_or(Ok(()), |(id, _)| Err(CompileError::DuplicatePdr(id)))?;
    let fars = rules.fars.iter().map(|far| far.id);
    repeated(fars).map_or(Ok(()), |id| Err(CompileError::DuplicateFar(id)))?;
    let qers = rules.qers.iter().map(|qer| qer.id);
    repeated(qers).map_or(Ok(()), |id| Err(CompileError::DuplicateQer(id)))?;
    let urrs = rules.urrs.iter().map(|urr| urr.id);
    repeated(urrs).map_or(Ok(()), |id| Err(CompileError::DuplicateUrr(id)))?;
    let bars = rules.bars.iter().map(|bar| bar.id);
    repeated(bars).map_or(Ok(()), |id| Err(CompileError::DuplicateBar(id)))?;
    for far in &rules.fars {
        if let Some(bar) = far.bar
            && !rules.bars.iter().any(|there| there.id == bar)
        {
            return Err(CompileError::NoBar(far.id, bar));
        }
    }
    Ok(())
}
