%% The golden cases that the Go implementation passes too: proto/vectors/route.json, named
%% by the environment variable H2_VECTORS.
-module(h2_rule_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("rabbit_common/include/rabbit.hrl").
-include("../src/h2_binding.hrl").

vectors() ->
    {ok, Text} = file:read_file(os:getenv("H2_VECTORS")),
    jsx:decode(Text, [return_maps]).

cases_test_() ->
    Cases = maps:get(<<"cases">>, vectors()),
    ?assert(length(Cases) > 30),
    [{binary_to_list(maps:get(<<"name">>, C)), fun() -> one_case(C) end} || C <- Cases].

one_case(#{<<"bindings">> := Bindings, <<"from">> := From} = C) ->
    Crossed = maps:get(<<"crossed">>, C, false),
    Tried = maps:get(<<"tried">>, C, []),
    Read = [binding(B, From) || B <- Bindings, not lists:member(maps:get(<<"instance">>, B), Tried)],
    Least = case Tried of
        [] -> unknown_service;
        _ -> gone
    end,
    Message = message(maps:get(<<"header">>, C), From, Crossed),
    case C of
        #{<<"miss">> := Miss} ->
            ?assertEqual({miss, binary_to_atom(Miss, utf8)}, h2_rule:choose(Read, Message, Least, fun(_) -> 0 end));
        #{<<"want">> := Want} ->
            ?assertEqual(wanted(Want), outcomes(Read, Message, Least))
    end.

%% No draw is made for a single candidate.
wanted(Want) when map_size(Want) =:= 1 -> maps:map(fun(_, _) -> 1 end, Want);
wanted(Want) -> Want.

%% outcomes routes once for every possible draw and counts who was chosen.
outcomes(Bindings, Message, Least) ->
    Self = self(),
    Draw = fun(D) -> fun(N) -> Self ! {draws, N}, D end end,
    First = chosen(Bindings, Message, Least, Draw(0)),
    receive
        {draws, N} ->
            lists:foldl(fun(D, Counts) -> count(chosen(Bindings, Message, Least, fun(_) -> D end), Counts) end,
                        #{First => 1}, lists:seq(1, N - 1))
    after 0 -> #{First => 1}
    end.

count(Who, Counts) -> maps:update_with(Who, fun(N) -> N + 1 end, 1, Counts).

%% The version field is the rule's; the destination is opaque to it and tells who it was.
chosen(Bindings, Message, Least, Rand) ->
    {hit, #h2_binding{destination = {_, Who}}} = h2_rule:choose(Bindings, Message, Least, Rand),
    Who.

%% binding puts a case's binding as the broker of zone From has it: one of its own zone by
%% the name of its instance, one of another zone as an exchange.
binding(#{<<"instance">> := I, <<"region">> := R, <<"zone">> := Z} = B, #{<<"region">> := Region, <<"zone">> := Zone}) ->
    Match = [{<<"match.", K/binary>>, longstr, V} || {K, V} <- maps:to_list(maps:get(<<"match">>, B, #{}))],
    Local = [{<<"instance">>, longstr, I} || R =/= Region orelse Z =:= Zone],
    Args = Local ++ Match ++ [
        {<<"weight">>, long, maps:get(<<"weight">>, B, 0)}, {<<"region">>, longstr, R}, {<<"zone">>, longstr, Z},
        {<<"version">>, longstr, maps:get(<<"version">>, B, <<>>)}, {<<"salt">>, longstr, maps:get(<<"salt">>, B, <<>>)}],
    Destination = #resource{virtual_host = <<"/">>, kind = exchange, name = <<"x">>},
    ?assertEqual(ok, h2_binding:validate(Destination, Args)),
    Read = h2_binding:read(Destination, Args),
    Read#h2_binding{destination = {Destination, I}}.

%% A message that crossed says where it came from, which is not where it is routed.
message(Header, #{<<"region">> := Region, <<"zone">> := Zone}, Crossed) ->
    From = case Crossed of
        true -> <<Region/binary, "/elsewhere">>;
        false -> <<Region/binary, "/", Zone/binary>>
    end,
    Headers = [{K, longstr, V} || {K, V} <- maps:to_list(Header)],
    #h2_message{service = maps:get(<<"h2-service">>, Header, <<>>), from = From, crossed = Crossed, headers = Headers}.

cohorts_test_() ->
    [{binary_to_list(maps:get(<<"name">>, C)), {timeout, 60, fun() -> one_cohort_case(C) end}}
     || C <- maps:get(<<"cohorts">>, vectors())].

one_cohort_case(#{<<"bindings">> := [First | _] = Bindings} = C) ->
    From = maps:with([<<"region">>, <<"zone">>], First),
    Service = maps:get(<<"service">>, First),
    Read = [binding(B, From) || B <- Bindings],
    Version = fun(Cohort) ->
        Header = #{<<"h2-service">> => Service, <<"h2-cohort">> => integer_to_binary(Cohort)},
        {hit, #h2_binding{version = V}} = h2_rule:choose(Read, message(Header, From, false), fun(_) -> 0 end),
        V
    end,
    [?assertEqual({Cohort, V}, {Cohort, Version(binary_to_integer(Cohort))})
     || {Cohort, V} <- maps:to_list(maps:get(<<"want">>, C))],
    None = maps:from_list([{maps:get(<<"version">>, B), 0} || B <- Bindings]),
    ?assertEqual(maps:get(<<"first_thousand">>, C),
                 lists:foldl(fun(Cohort, Counts) -> count(Version(Cohort), Counts) end, None, lists:seq(0, 999))).

scores_test_() ->
    Scores = maps:get(<<"scores">>, vectors()),
    ?assert(length(Scores) > 3),
    [fun() -> one_score(S) end || S <- Scores].

one_score(#{<<"cohort">> := C, <<"service">> := Service, <<"salt">> := Salt, <<"version">> := V, <<"weight">> := W, <<"score">> := Want}) ->
    Got = h2_rule:score(C, Service, Salt, V, W),
    ?assert(abs(Got - Want) =< abs(Want) * 1.0e-12).
