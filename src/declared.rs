//! Hooks declared with `#[eventhive::hook]`.

use crate::handler::Handler;
use crate::hooking::{HookBuilder, HookHandle};
use crate::registry::{IntoPatterns, SetupError, Source};
use crate::{Hive, Overflow};

/// A function declared as a hook: what the attribute said, and how to hook the function.
#[derive(Debug)]
pub struct DeclaredHook {
    /// The names and globs in the attribute.
    pub patterns: &'static [&'static str],
    /// The function's name.
    pub name: &'static str,
    /// The module it stands in.
    pub module: &'static str,
    /// Where it stands.
    pub source: Source,
    #[doc(hidden)]
    pub install: fn(HookBuilder<'_>) -> Result<HookHandle, SetupError>,
}

/// A declared hook in the program's collection.
#[doc(hidden)]
#[derive(Debug)]
pub struct Collected(pub &'static DeclaredHook);

inventory::collect!(Collected);

/// Names the type that stands beside a declared function, under the same name.
#[doc(hidden)]
pub trait Declared {
    const HOOK: &'static DeclaredHook;
}

/// All declared hooks of this program that the linker kept.
pub(crate) fn all() -> impl Iterator<Item = &'static DeclaredHook> {
    inventory::iter::<Collected>.into_iter().map(|collected| collected.0)
}

/// Hooks each function once, in an order that does not depend on the linker.
pub(crate) fn register(hive: &Hive, mut hooks: Vec<&'static DeclaredHook>) -> Result<(), SetupError> {
    hooks.sort_by_key(|hook| (hook.patterns, hook.module, hook.source.line, hook.name));
    hooks.dedup_by_key(|hook| std::ptr::from_ref(*hook));
    hooks.into_iter().try_for_each(|hook| hive.install(hook).map(drop))
}

impl Hive {
    /// Hooks a declared function.
    ///
    /// # Errors
    /// [`SetupError`], as [`hook`](Self::hook).
    pub fn install(&self, hook: &DeclaredHook) -> Result<HookHandle, SetupError> {
        let builder = HookBuilder::new(self, hook.patterns.into_patterns(), hook.source);
        (hook.install)(builder.named(hook.name).in_module(hook.module))
    }
}

/// What the attribute macro calls: the handler's type is known only where it is written.
#[doc(hidden)]
pub fn finish<M>(builder: HookBuilder<'_>, handler: impl Handler<M>) -> Result<HookHandle, SetupError> {
    builder.hook(handler)
}

/// The declared hooks of these functions, for [`HiveBuilder::hooks`](crate::HiveBuilder::hooks).
///
/// ```
/// use eventhive::{Hive, Json, hooks};
///
/// mod worker {
///     #[eventhive::hook("worker/double")]
///     pub fn double(number: eventhive::Json<i64>) -> i64 {
///         number.0 * 2
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hive = Hive::builder().declared_hooks(false).hooks(hooks![worker::double]).build()?;
/// assert_eq!(hive.call_blocking("worker/double", 21)?.value(), Some(&42.into()));
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! hooks {
    ($($function:path),* $(,)?) => {
        [$(<$function as $crate::__private::Declared>::HOOK),*]
    };
}

/// The policy by the word that an attribute gives; the macro has checked it.
#[doc(hidden)]
pub fn overflow(word: &str) -> Overflow {
    word.parse().unwrap_or_default()
}
