#!/usr/bin/env escript
%% The mix of bench_tier.c on ETS: N keys of 32 bytes, values of 200, 9 look-ups that count the use to
%% 1 insert, by one process and by two. Prints `name value unit`. Best of five, as there.
%%! +S 2
-mode(compile).

main([N0, R0]) ->
    N = list_to_integer(N0),
    R = list_to_integer(R0),
    T = ets:new(hot, [set, public, {read_concurrency, true}, {write_concurrency, true}]),
    V = binary:copy(<<"v">>, 200),
    Keys = list_to_tuple([key(I) || I <- lists:seq(0, N - 1)]),
    [ets:insert(T, {element(I, Keys), V, 0}) || I <- lists:seq(1, N)],
    [begin
        Best = lists:max([rate(T, Keys, N, V, R, P) || _ <- lists:seq(1, 5)]),
        io:format("otp.ets.get90_put10.~bk_keys.~b_threads ~.3f M/s~n", [N div 1000, P, Best])
     end || P <- [1, 2]].

key(I) ->
    list_to_binary(string:pad(io_lib:format("ctx:session:~8.16.0b:part", [I]), 32, trailing, 0)).

rate(T, Keys, N, V, R, P) ->
    Me = self(),
    Ps = [spawn_opt(fun() -> receive go -> ok end, run(T, Keys, N, V, 88172645463325252 + S * 7919, R),
                             Me ! done end, [{min_heap_size, 100000}]) || S <- lists:seq(1, P)],
    Begin = erlang:monotonic_time(nanosecond),
    [Pid ! go || Pid <- Ps],
    [receive done -> ok end || _ <- Ps],
    P * R * 1000 / (erlang:monotonic_time(nanosecond) - Begin).

run(_, _, _, _, _, 0) -> ok;
run(T, Keys, N, V, X, R) ->
    %% 27 bits: stays a small number
    X1 = (X * 1103515245 + 12345) band 16#7ffffff,
    K = element(1 + ((X1 bsr 3) * 31 + R) rem N, Keys),
    case X1 rem 10 of
        0 -> ets:insert(T, {K, V, 0});
        _ -> [{_, _, _}] = ets:lookup(T, K), ets:update_counter(T, K, {3, 1})
    end,
    run(T, Keys, N, V, X1, R - 1).
