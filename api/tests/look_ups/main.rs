//! Looking up over real HTTP: a service on a directory of its own, listening on the loopback address.

#[cfg(test)]
mod decision;
#[cfg(test)]
mod document;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod given;
#[cfg(test)]
mod history;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod order;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod search;
