//! What the tests of Fanfare share: the simulated world, in which whole meshes of shards live through faults in
//! virtual time, and a model of what must be true in it.

pub mod mesh;
pub mod sessions;
pub mod sim;
pub mod tenants;
