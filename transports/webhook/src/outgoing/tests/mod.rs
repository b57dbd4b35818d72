//! Over real sockets, to servers that behave and servers that do not.

mod addresses;
mod answers;
mod bounds;
mod examine;
mod faults;
mod kept;
mod requests;
mod signed;
mod support;
mod tls;
