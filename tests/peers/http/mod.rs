//! The HTTP door of `hive-cli serve`, and the clients that the world has for it.
//!
//! `served` starts the program, `curl` drives curl, `publisher` publishes faster than that.
//! `table` is the protocol from outside, and runs on the original server too; `beyond` is what only ours has.
//! Then the clients: `scripts` in node and Ruby, `asfpy`, and pages in a `browser`, which `devtools` drives.
//! `doors` joins them with websockets; `tls` and `proxy`, with nginx, are about what lies between.

mod asfpy;
mod beyond;
mod browser;
pub(crate) mod curl;
mod devtools;
mod doors;
pub(crate) mod proxy;
mod publisher;
mod scripts;
pub(crate) mod served;
mod table;
mod tls;
