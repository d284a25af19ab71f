//! Every action, in process, over small worlds.

mod table;
