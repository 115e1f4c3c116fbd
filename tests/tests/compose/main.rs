//! The demo stack of `deploy/compose`, without Docker: that its files are valid, each for the program that reads it, and fit
//! each other; and the same stack in processes, with what stands in where there is no program.

mod files;
mod isolation;
mod programs;
mod real;
mod running;
mod scripts;
mod secrets;
mod stack;
mod wiring;
mod world;
