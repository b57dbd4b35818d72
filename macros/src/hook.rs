//! `#[eventhive::hook]`: beside the function, a type of the same name that leads `hooks![..]` to its declaration, and
//! an entry in the program's collection of declarations.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, ItemFn, LitInt, LitStr, Token};

/// What stands between the brackets of the attribute.
#[derive(Default)]
struct Arguments {
    patterns: Vec<LitStr>,
    name: Option<LitStr>,
    /// Calls on the hook's builder.
    options: Vec<TokenStream>,
}

const OPTIONS: &str = "name, after, order, mailbox, mailbox_bytes, overflow, concurrency, inline";
const POLICIES: [&str; 3] = ["block", "drop_newest", "drop_oldest"];

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            if input.peek(LitStr) {
                arguments.pattern(input.parse()?)?;
            } else {
                arguments.option(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if arguments.patterns.is_empty() {
            return Err(input.error("name the event to hook to: #[eventhive::hook(\"worker/action\")]"));
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn pattern(&mut self, pattern: LitStr) -> Result<(), Error> {
        if pattern.value().is_empty() {
            return Err(Error::new(pattern.span(), "an event name must not be empty"));
        }
        self.patterns.push(pattern);
        Ok(())
    }

    fn option(&mut self, input: ParseStream<'_>) -> Result<(), Error> {
        let option: Ident = input.parse()?;
        if option == "inline" {
            self.options.push(quote!(.inline()));
            return Ok(());
        }
        input.parse::<Token![=]>()?;
        match option.to_string().as_str() {
            "name" => self.name = Some(input.parse()?),
            "after" => {
                let module: LitStr = input.parse()?;
                self.options.push(quote!(.after(#module)));
            }
            "order" => {
                let minus: Option<Token![-]> = input.parse()?;
                let order: LitInt = input.parse()?;
                self.options.push(quote!(.order(#minus #order)));
            }
            "mailbox" | "mailbox_bytes" | "concurrency" => {
                let number: LitInt = input.parse()?;
                self.options.push(quote!(.#option(#number)));
            }
            "overflow" => {
                let word = policy(&input.parse()?)?;
                self.options.push(quote!(.overflow(::eventhive::__private::overflow(#word))));
            }
            _ => return Err(Error::new(option.span(), format!("unknown option `{option}`: known are {OPTIONS}"))),
        }
        Ok(())
    }
}

fn policy(word: &LitStr) -> Result<String, Error> {
    let text = word.value();
    if POLICIES.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(Error::new(word.span(), format!("`{text}` is no policy of a hook: use {}", POLICIES.join(", "))))
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let Arguments { patterns, name, options } = syn::parse2(arguments)?;
    let function: ItemFn = syn::parse2(item)?;
    let ident = &function.sig.ident;
    let visibility = &function.vis;
    let name = name.map_or_else(|| ident.to_string(), |name| name.value());
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, unreachable_pub, missing_docs)]
        #visibility struct #ident {}

        const _: () = {
            static HOOK: ::eventhive::__private::DeclaredHook = ::eventhive::__private::DeclaredHook {
                patterns: &[#(#patterns),*],
                name: #name,
                module: ::core::module_path!(),
                source: ::eventhive::__private::Source { file: ::core::file!(), line: ::core::line!() },
                install: |builder| ::eventhive::__private::finish(builder #(#options)*, #ident),
            };

            impl ::eventhive::__private::Declared for #ident {
                const HOOK: &'static ::eventhive::__private::DeclaredHook = &HOOK;
            }

            ::eventhive::__private::inventory::submit! {
                ::eventhive::__private::Collected(&HOOK)
            }
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &str) -> String {
        let item = quote!(
            fn f() {}
        );
        expand(arguments.parse().unwrap(), item).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_refused_with_the_fix() {
        assert!(refusal("").contains("name the event"));
        assert!(refusal("\"\"").contains("must not be empty"));
        assert!(refusal("\"a\", mailbx = 3").contains("known are name, after"));
        assert!(refusal("\"a\", overflow = \"disconnect\"").contains("use block, drop_newest, drop_oldest"));
    }
}
