//! The contract of an Eventhive transport: names, filters, the traits, settings and errors.
