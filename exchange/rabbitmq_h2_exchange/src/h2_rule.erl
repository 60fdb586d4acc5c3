%% The routing rule of h2 as a pure function, the same as package driver's Route in Go:
%% proto/vectors/route.json holds the cases that both must pass.
-module(h2_rule).

-include("h2_binding.hrl").

-export([choose/3, choose/4, score/5]).

-define(COHORTS, 10000).

%% How near a binding is, more being nearer. A way to another zone is farther than every queue of this broker, and the
%% way home farthest: who is a guest here has no broker there.
-define(OUT_OF_REACH, 0).
-define(WAY_HOME, 1).
-define(OTHER_BROKER, 2).
-define(SAME_REGION, 3).
-define(SAME_ZONE, 4).
-define(REACHES, 5).

-type miss() :: unknown_service | no_match | no_weight | gone | too_far.
-type rand() :: fun((pos_integer()) -> non_neg_integer()).

%% choose returns the one binding of a service that is to get the message. Rand(N)
%% draws uniformly from 0 to N-1.
-spec choose([#h2_binding{}], #h2_message{}, rand()) -> {hit, #h2_binding{}} | {miss, miss()}.
choose(Bindings, Message, Rand) -> choose(Bindings, Message, unknown_service, Rand).

%% choose/4 is for the rest of the bindings after some were tried and gone: the miss is
%% then at least Least.
choose([B], Message, Least, _) -> % nothing to compare it with
    case unfit(B, Message) =:= false andalso reach(B, Message) of
        false -> {miss, worse(unfit(B, Message), Least)};
        ?OUT_OF_REACH -> {miss, too_far};
        _ -> {hit, B}
    end;
choose(Bindings, Message, Least, Rand) ->
    case fitting(Bindings, Message, -1, [], Least) of
        {miss, _} = Miss -> Miss;
        [One] -> {hit, One};
        Several -> {hit, by_weight(of_version(Several, Message), Rand)}
    end.

%% fitting does steps 1 to 4: the nearest of the most specific bindings.
fitting([], _, -1, [], Miss) -> {miss, Miss};
fitting([], _, Best, _, _) when Best rem ?REACHES =:= ?OUT_OF_REACH -> {miss, too_far};
fitting([], _, _, Kept, _) -> lists:reverse(Kept);
fitting([B | Rest], M, Best, Kept, Miss) ->
    case unfit(B, M) of
        false ->
            case length(B#h2_binding.match) * ?REACHES + reach(B, M) of
                Best -> fitting(Rest, M, Best, [B | Kept], Miss);
                Rank when Rank > Best -> fitting(Rest, M, Rank, [B], Miss);
                _ -> fitting(Rest, M, Best, Kept, Miss)
            end;
        Why -> fitting(Rest, M, Best, Kept, worse(Why, Miss))
    end.

unfit(#h2_binding{match = Match, weight = Weight}, #h2_message{headers = Headers}) ->
    case Match =:= [] orelse lists:all(fun({K, V}) -> header(K, Headers) =:= V end, Match) of
        false -> no_match;
        true when Weight =:= 0 -> no_weight;
        true -> false
    end.

%% Where several misses are true, the last tells most.
worse(A, B) ->
    case order(A) > order(B) of
        true -> A;
        false -> B
    end.

order(unknown_service) -> 1;
order(no_match) -> 2;
order(no_weight) -> 3;
order(gone) -> 4.

%% A message that crossed is routed where it arrived, to queues only: its own zone is
%% the one that it came from.
reach(#h2_binding{direct = false}, #h2_message{crossed = true}) -> ?OUT_OF_REACH;
reach(#h2_binding{direct = true} = B, M) -> distance(B, M);
reach(#h2_binding{region = <<>>}, _) -> ?OTHER_BROKER;
reach(_, #h2_message{from = <<>>}) -> ?OTHER_BROKER;
reach(B, M) ->
    case distance(B, M) of
        ?SAME_ZONE -> ?WAY_HOME;
        ?SAME_REGION -> ?OTHER_BROKER;
        ?OUT_OF_REACH -> ?OUT_OF_REACH
    end.

distance(#h2_binding{region = <<>>}, _) -> ?SAME_ZONE;
distance(_, #h2_message{from = <<>>}) -> ?SAME_ZONE;
distance(#h2_binding{region = Region, zone = Zone}, #h2_message{from = From, crossed = Crossed}) ->
    N = byte_size(Region),
    case From of
        <<Region:N/binary, $/, Zone/binary>> -> ?SAME_ZONE;
        <<Region:N/binary, $/, Other/binary>> ->
            case binary:match(Other, <<"/">>) of
                nomatch when Crossed -> ?SAME_ZONE;
                nomatch -> ?SAME_REGION;
                _ -> ?OUT_OF_REACH
            end;
        _ -> ?OUT_OF_REACH
    end.

%% of_version does step 5 for a message with a cohort: the candidates of the version with
%% the highest weighted rendezvous score (Schindelhauer and Schomaker, "Weighted distributed
%% hash tables", SPAA 2005).
of_version(Candidates, #h2_message{headers = Headers, service = Service}) ->
    case cohort(header(<<"h2-cohort">>, Headers)) of
        none -> Candidates;
        Cohort ->
            Version = best(shares(Candidates, []), Cohort, Service),
            [B || B <- Candidates, B#h2_binding.version =:= Version]
    end.

%% shares sums up the weights by version, in the order of first appearance.
shares([], Shares) -> lists:reverse(Shares);
shares([#h2_binding{version = V, salt = Salt, weight = W} | Rest], Shares) ->
    case lists:keyfind(V, 1, Shares) of
        {V, S, Sum} -> shares(Rest, lists:keyreplace(V, 1, Shares, {V, S, Sum + W}));
        false -> shares(Rest, [{V, Salt, W} | Shares])
    end.

best([{Version, _, _}], _, _) -> Version;
best(Shares, Cohort, Service) ->
    {_, Version} = lists:max([{score(Cohort, Service, Salt, V, W), V} || {V, Salt, W} <- Shares]),
    Version.

%% score is the weighted rendezvous score of one version for one cohort: -weight / ln(u),
%% where u in (0,1) is made of the first 53 bits of SHA-256("cohort NUL service NUL salt NUL
%% version") as (bits + 0.5) / 2^53.
-spec score(integer(), binary(), binary(), binary(), integer()) -> float().
score(Cohort, Service, Salt, Version, Weight) ->
    <<Bits:53, _/bits>> = crypto:hash(sha256, [integer_to_binary(Cohort), 0, Service, 0, Salt, 0, Version]),
    case (Bits + 0.5) / (1 bsl 53) of
        U when U < 1.0 -> -Weight / math:log(U);
        _ -> -1.0e308 % ln(1) is 0: as minus infinity
    end.

cohort(Text) when is_binary(Text), byte_size(Text) > 0, byte_size(Text) =< 19 ->
    try binary_to_integer(Text) of
        N when N >= 0, N < ?COHORTS -> N;
        _ -> none
    catch
        error:badarg -> none
    end;
cohort(_) -> none.

by_weight([One], _) -> One;
by_weight(Candidates, Rand) ->
    Total = lists:sum([B#h2_binding.weight || B <- Candidates]),
    draw(Candidates, Rand(Total)).

draw([B], _) -> B;
draw([#h2_binding{weight = W} = B | _], Draw) when Draw < W -> B;
draw([#h2_binding{weight = W} | Rest], Draw) -> draw(Rest, Draw - W).

%% header returns a header's text: integers count as their decimal text, a missing header
%% as the empty one, and a header of any other type equals nothing.
header(Name, Headers) ->
    case lists:keyfind(Name, 1, Headers) of
        {_, longstr, V} -> V;
        {_, _, V} when is_integer(V) -> integer_to_binary(V);
        false -> <<>>;
        _ -> none
    end.
