//! `#[eventhive::main]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn};

pub(crate) fn expand(arguments: &TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`main` takes no options"));
    }
    let mut function: ItemFn = syn::parse2(item)?;
    if function.sig.asyncness.take().is_none() {
        return Err(Error::new_spanned(function.sig.fn_token, "write `async fn`: a plain one needs no attribute"));
    }
    let body = &function.block;
    let run = quote!({ ::eventhive::__private::System::new().block_on(async move #body) });
    function.block = syn::parse2(run)?;
    Ok(quote!(#function))
}
