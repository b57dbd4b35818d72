//! The attribute macros of Eventhive: [`macro@hook`] and [`macro@main`].
//!
//! Use them through the crate `eventhive`, which their code refers to.

mod hook;
mod main_fn;

use proc_macro::TokenStream;

/// Declares a function, `async` or not, as a hook. It is hooked by every hive that is built in the program, without
/// further code, or explicitly with `hooks![..]`.
///
/// ```ignore
/// #[eventhive::hook("worker/action")]
/// async fn action(Json(task): Json<Task>) -> Result<Json<Report>, WorkError> { .. }
///
/// #[eventhive::hook("worker/*", "audit/*", name = "audit", after = "worker", mailbox = 64, overflow = "drop_oldest")]
/// fn audit(event: Event) { .. }
/// ```
///
/// | option | meaning |
/// |---|---|
/// | one or more texts | names and globs |
/// | `name = ".."` | the hook's name; by default the function's |
/// | `after = ".."` | runs behind the hooks of this module; may be repeated |
/// | `order = -1` | hooks of a smaller order run earlier |
/// | `mailbox = 64`, `mailbox_bytes = 65536` | the most events and bytes that wait |
/// | `overflow = ".."` | `block`, `drop_newest` or `drop_oldest` |
/// | `concurrency = 4` | how many events are handled at a time |
/// | `inline` | runs a function that is not `async` where `async` ones run; it must not block |
///
/// A crate that holds nothing but hooks must be named by the program (`use plugin as _;`), or the linker drops it.
#[proc_macro_attribute]
pub fn hook(arguments: TokenStream, item: TokenStream) -> TokenStream {
    hook::expand(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Runs an `async fn main` on an actix system, which hives that are built in it use.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(&arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
