//! The words of refusals that only reads meet.

use core::fmt;

use super::Refusal;

/// Says what is wrong with a read.
pub(super) fn words(refusal: &Refusal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match refusal {
        Refusal::ForeignSource => {
            f.write_str("source_tenants of this rule group names a tenant that is not this caller's own")
        }
        Refusal::SourceTenant { reason } => {
            write!(f, "source_tenants of this rule group names no tenant: {reason}")
        }
        Refusal::Query { argument, error } => write!(f, "the argument {argument}: {error}"),
        Refusal::Form(problem) => write!(f, "the form has {problem}; send it in its plain form"),
        Refusal::BodyNotTaken => f.write_str(
            "this request has a body and takes none: send its arguments in the URL, or a form by POST",
        ),
        Refusal::NarrowedTooLarge { limit } => write!(
            f,
            "narrowed to the caller's tenants this request is larger than {limit} bytes; ask for less at once, or name fewer tenants"
        ),
        Refusal::RuleGroup { problem, line } => {
            write!(f, "this rule group is not taken: {problem} (line {line})")
        }
        Refusal::NoLabelPolicy { tenant } => write!(
            f,
            "no label policy says what this caller may see of the tenant {tenant}; an operator can add one (`read`)"
        ),
        _ => Ok(()),
    }
}
