//! Tables in a real Envoy: fetched by one worker for all, kept over whatever fails, and what series become by them.

mod fetching;
mod gateway;
mod http;
mod keeping;
mod logs;
mod moving;
