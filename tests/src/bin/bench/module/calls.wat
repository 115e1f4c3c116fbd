;; A filter that answers each request once ten calls, which are the same for every request, have been answered.
;;
;; Memory: 0 an empty map of headers, 16 the token of the last call, 32 the name of the cluster; 65536 the stream of
;; each call, by token; 131072 how many answers each stream waits for, by its number; 262144 the calls' headers and bodies.
;; Tokens and streams are numbered one after the other, so that the low bits tell all apart that are under way.
(module
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $act_for (param i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (data (i32.const 32) "cortex")
  (; data ;)

  (func $stream_of (param $token i32) (result i32)
    (i32.add (i32.const 65536) (i32.shl (i32.and (local.get $token) (i32.const 0x3fff)) (i32.const 2))))
  (func $left_of (param $stream i32) (result i32)
    (i32.add (i32.const 131072) (i32.shl (i32.and (local.get $stream) (i32.const 0x3fff)) (i32.const 2))))

  ;; Makes one call, without trailers, for at most 20 s. A call that cannot be made is a trap, which shows.
  (func $send (param $stream i32) (param $headers i32) (param $headers_len i32) (param $body i32) (param $body_len i32)
    (if (call $call
          (i32.const 32) (i32.const 6)
          (local.get $headers) (local.get $headers_len)
          (local.get $body) (local.get $body_len)
          (i32.const 0) (i32.const 4)
          (i32.const 20000) (i32.const 16))
      (then unreachable))
    (i32.store (call $stream_of (i32.load (i32.const 16))) (local.get $stream)))

  (func (export "proxy_on_request_headers") (param $stream i32) (param i32 i32) (result i32)
    (i32.store (call $left_of (local.get $stream)) (i32.const 10))
    (; calls ;)
    ;; Pause
    (i32.const 1))

  (func (export "proxy_on_http_call_response") (param i32) (param $token i32) (param i32 i32 i32)
    (local $stream i32) (local $left i32)
    (local.set $stream (i32.load (call $stream_of (local.get $token))))
    (local.set $left (i32.sub (i32.load (call $left_of (local.get $stream))) (i32.const 1)))
    (i32.store (call $left_of (local.get $stream)) (local.get $left))
    (if (i32.eqz (local.get $left))
      (then
        (drop (call $act_for (local.get $stream)))
        (drop (call $answer
          (i32.const 200)
          (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 4)
          (i32.const -1))))))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 196608))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))
