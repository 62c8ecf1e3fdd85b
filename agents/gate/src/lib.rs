//! May it happen? Every action passes this gate on its way to a desktop: policy answers first, then a
//! person where policy asks for one, and a [`Permit`] is the only thing that dispatch accepts. The gate
//! is a pure state machine: it reads no clock and does no I/O; it gives the events that must be in the
//! ledger before their effect. No answer is a veto, and every doubt is a no.

mod effect;
mod gate;
mod pending;
mod permit;
mod policy;
mod secrets;
mod shell;
mod text;

pub use effect::{Draft, Inference, infer, infer_effect, is_browser};
pub use gate::{Decided, Gate, GateConfig, GrantError, Lease, LeaseError, Proposed, Refusal, Step, Unredeemed, binding};
pub use pending::Line;
pub use permit::{Permit, PermitKind, Pressed, StopSwitch};
pub use policy::{Facts, Policy, PolicyError, PolicyFault};
pub use secrets::{FileStore, KeyringStore, OpenedStore, Secret, SecretError, SecretStore, open_store};
pub use text::{amount_in, classify};
