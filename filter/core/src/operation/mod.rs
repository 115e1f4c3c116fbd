//! What is asked: class and protocol of a request.
