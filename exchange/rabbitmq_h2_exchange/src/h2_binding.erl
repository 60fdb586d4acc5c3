%% The arguments of a binding to an x-h2 exchange: how they are checked when they are
%% made, and read when a message is routed. The table of them is in the README.
-module(h2_binding).

-include_lib("rabbit_common/include/rabbit.hrl").
-include("h2_binding.hrl").

-export([validate/2, read/2]).

-define(MAX_WEIGHT, 16#FFFFFFFF).
-define(MAX_TEXT, 1024).
-define(MAX_NAME, 255).
-define(MAX_VALUE, 32768).

%% validate returns ok, or what is wrong with the arguments of a binding to Destination.
-spec validate(#resource{}, list()) -> ok | {error, {binding_invalid, string(), [term()]}}.
validate(#resource{kind = Kind}, Args) ->
    first_error([check(Kind, A) || A <- Args]).

first_error([]) -> ok;
first_error([ok | Rest]) -> first_error(Rest);
first_error([Error | _]) -> Error.

check(_, {<<"weight">>, _, W}) when is_integer(W), W >= 0, W =< ?MAX_WEIGHT -> ok;
check(_, {<<"weight">>, Type, W}) ->
    invalid("weight must be an integer from 0 to ~b, got ~s ~0P", [?MAX_WEIGHT, Type, W, 9]);
check(queue, {<<"instance">>, _, _}) ->
    invalid("instance is for bindings to an exchange that knows queues by name, such as h2.direct; a queue is bound without it", []);
check(_, {<<"instance">>, Type, V}) ->
    case size_of(Type, V) of
        N when N >= 1, N =< ?MAX_NAME -> utf8(<<"instance">>, V);
        _ -> invalid("instance must be the name of a queue, text of 1 to ~b bytes, got ~s", [?MAX_NAME, shown(Type, V)])
    end;
check(_, {<<"match.", Header/binary>> = Name, Type, V}) when Header =/= <<>> ->
    case utf8(Name, Header) of
        ok -> text(Name, Type, V, ?MAX_VALUE);
        Error -> Error
    end;
check(_, {Name, Type, V}) ->
    case lists:member(Name, [<<"version">>, <<"region">>, <<"zone">>, <<"salt">>, <<"left">>]) of
        true -> text(Name, Type, V, ?MAX_TEXT);
        false -> invalid("unknown argument ~0P: there is weight, version, region, zone, salt, instance, left and match.<header>", [Name, 9])
    end.

text(Name, Type, V, Most) ->
    case size_of(Type, V) of
        N when N >= 0, N =< Most -> utf8(Name, V);
        _ -> invalid("~s must be text of at most ~b bytes, got ~s", [Name, Most, shown(Type, V)])
    end.

size_of(longstr, V) when is_binary(V) -> byte_size(V);
size_of(_, _) -> -1.

shown(longstr, V) when is_binary(V) -> io_lib:format("~b bytes", [byte_size(V)]);
shown(Type, V) -> io_lib:format("~s ~0P", [Type, V, 9]).

%% Text that is not UTF-8 would break whoever lists the bindings as JSON.
utf8(Name, V) ->
    case unicode:characters_to_binary(V) of
        V -> ok;
        _ -> invalid("~0P must be UTF-8 text", [Name, 9])
    end.

invalid(Format, Values) ->
    {error, {binding_invalid, "a binding to an x-h2 exchange: " ++ Format, Values}}.

%% read makes of any arguments what the rule needs. What validate would have refused
%% is read as if it were not there, and never crashes.
-spec read(#resource{}, list()) -> #h2_binding{}.
read(#resource{kind = Kind} = Destination, Args) ->
    read_args(Args, Kind =:= queue, Destination, <<>>, <<>>, <<>>, <<>>, <<>>, 1, []).

%% What was read stays in arguments until all is: this runs for every message, and a record would be copied for
%% each argument of a binding.
read_args([], IsQueue, Destination, Instance, Version, Region, Zone, Salt, Weight, Match) ->
    #h2_binding{
        destination = Destination, direct = IsQueue orelse Instance =/= <<>>, instance = Instance, version = Version,
        region = Region, zone = Zone, salt = Salt, weight = Weight, match = Match
    };
read_args([{<<"weight">>, _, W} | Rest], Q, D, I, V, R, Z, S, _, M) when is_integer(W), W >= 0 ->
    read_args(Rest, Q, D, I, V, R, Z, S, W, M);
read_args([{Name, longstr, Text} | Rest], Q, D, I, V, R, Z, S, W, M) when is_binary(Text) ->
    case Name of
        <<"instance">> -> read_args(Rest, Q, D, Text, V, R, Z, S, W, M);
        <<"version">> -> read_args(Rest, Q, D, I, Text, R, Z, S, W, M);
        <<"region">> -> read_args(Rest, Q, D, I, V, Text, Z, S, W, M);
        <<"zone">> -> read_args(Rest, Q, D, I, V, R, Text, S, W, M);
        <<"salt">> -> read_args(Rest, Q, D, I, V, R, Z, Text, W, M);
        <<"match.", Header/binary>> -> read_args(Rest, Q, D, I, V, R, Z, S, W, [{Header, Text} | M]);
        _ -> read_args(Rest, Q, D, I, V, R, Z, S, W, M)
    end;
read_args([_ | Rest], Q, D, I, V, R, Z, S, W, M) -> read_args(Rest, Q, D, I, V, R, Z, S, W, M).
