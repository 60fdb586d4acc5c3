%% Properties that hold for any binding and any message (PropEr).
-module(h2_props).

-include_lib("rabbit_common/include/rabbit.hrl").
-include("../src/h2_binding.hrl").

-export([prop_any_arguments/0, prop_any_message/0, prop_one_of_the_best/0, prop_cohort_keeps_version/0]).

%% Debian's package of PropEr has no header file; these are what its macros stand for.
-define(FORALL(X, Type, Property), proper:forall(Type, fun(X) -> Property end)).
-define(LET(X, Type, Value), proper_types:bind(Type, fun(X) -> Value end, false)).
-import(proper_types, [binary/0, float/0, integer/0, integer/2, boolean/0, list/1, union/1, non_empty/1]).

-define(X, #resource{virtual_host = <<"/">>, kind = exchange, name = <<"x">>}).

name() ->
    union([<<"weight">>, <<"version">>, <<"region">>, <<"zone">>, <<"salt">>, <<"instance">>, <<"left">>,
           <<"match.h2-overlay">>, <<"match.">>, <<"h2-overlay">>, <<"h2-cohort">>, <<"h2-zone">>, <<"x-received-from">>, binary()]).

field() ->
    {name(), union([longstr, long, signedint, bool, table, array, binary, timestamp, void, double]), value()}.

value() ->
    union([binary(), integer(), integer(-18446744073709551616, 18446744073709551616), boolean(), float(), undefined, [], list({binary(), longstr, binary()}),
           <<"eu/a">>, <<"eu/b">>, <<"/">>, <<>>, <<255, 254, 0>>, <<"17">>, <<"-1">>, <<"99999999999999999999">>]).

%% Whatever the arguments, they are read without a crash, and refused with words.
prop_any_arguments() ->
    ?FORALL({Kind, Args}, {union([queue, exchange]), list(field())},
        begin
            #h2_binding{} = h2_binding:read(#resource{kind = Kind}, Args),
            case h2_binding:validate(#resource{kind = Kind}, Args) of
                ok -> true;
                {error, {binding_invalid, Format, Values}} -> lists:flatten(io_lib:format(Format, Values)) =/= ""
            end
        end).

%% Whatever the headers and arguments, the rule chooses one of the bindings, or says why not.
prop_any_message() ->
    ?FORALL({All, Headers, From, Crossed}, {list(list(field())), list(field()), value(), boolean()},
        begin
            Bindings = [h2_binding:read(?X, Args) || Args <- All],
            M = #h2_message{service = <<"s">>, headers = Headers, crossed = Crossed,
                            from = case is_binary(From) of true -> From; false -> <<>> end},
            case h2_rule:choose(Bindings, M, fun(N) -> rand:uniform(N) - 1 end) of
                {hit, B} -> lists:member(B, Bindings) andalso B#h2_binding.weight > 0;
                {miss, Why} -> lists:member(Why, [unknown_service, no_match, no_weight, too_far])
            end
        end).

binding() ->
    ?LET({Direct, Zone, V, W, Overlay}, {boolean(), union([<<"a">>, <<"b">>]), union([<<"1">>, <<"2">>]), integer(0, 3), boolean()},
        #h2_binding{direct = Direct, region = <<"eu">>, zone = Zone, version = V, weight = W,
                    match = [{<<"h2-overlay">>, <<"alice">>} || Overlay]}).

message(Headers) -> #h2_message{service = <<"s">>, from = <<"eu/a">>, headers = Headers}.

%% Nothing that fits and is more specific, or as specific and nearer, was passed over.
prop_one_of_the_best() ->
    ?FORALL({Bindings, Alice}, {list(binding()), boolean()},
        begin
            Headers = [{<<"h2-overlay">>, longstr, <<"alice">>} || Alice],
            Fit = [rank(B) || B <- Bindings, B#h2_binding.weight > 0, B#h2_binding.match =:= [] orelse Alice],
            case h2_rule:choose(Bindings, message(Headers), fun(N) -> rand:uniform(N) - 1 end) of
                {hit, B} -> rank(B) =:= lists:max(Fit);
                {miss, _} -> Fit =:= []
            end
        end).

%% Queues before ways to other zones; of queues those of the own zone first, of ways the one to it last.
rank(#h2_binding{match = Match, direct = Direct, zone = Zone}) ->
    Own = Zone =:= <<"a">>,
    {length(Match), Direct, Own =:= Direct}.

%% A cohort keeps its version whatever is drawn and however the bindings are ordered.
prop_cohort_keeps_version() ->
    ?FORALL({Bindings, Cohort}, {non_empty(list(binding())), integer(0, 9999)},
        begin
            M = message([{<<"h2-cohort">>, longstr, integer_to_binary(Cohort)}]),
            Version = fun(List) ->
                case h2_rule:choose(List, M, fun(N) -> rand:uniform(N) - 1 end) of
                    {hit, B} -> B#h2_binding.version;
                    Miss -> Miss
                end
            end,
            Version(Bindings) =:= Version(lists:reverse(Bindings))
        end).
