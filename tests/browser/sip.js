// Two real SIP clients behind the face of the others. Whoever calls is answered, and whoever sends them elsewhere is followed.

const audio = { audio: true, video: false };

/// The newest sound that comes in is the one that is heard.
function listen(connection) {
  const play = (track) => {
    document.getElementById("remote").srcObject = new MediaStream([track]);
  };
  for (const { track } of connection.getReceivers()) play(track);
  connection.addEventListener("track", ({ track }) => play(track));
}

export async function jssip(plan, failed) {
  const { default: JsSIP } = await import("/jssip.js");
  const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(plan.server)], uri: plan.uri, password: plan.password });
  const options = { mediaConstraints: audio, pcConfig: { iceServers: [] } };
  let session;
  let ready = false;
  ua.on("registered", () => {
    if (!ready) say({ event: "ready" });
    ready = true;
  });
  ua.on("registrationFailed", ({ cause }) => failed(new Error(`registration: ${cause}`)));
  ua.on("newRTCSession", ({ session: each, originator }) => {
    session = each;
    if (each.connection) listen(each.connection);
    else each.on("peerconnection", ({ peerconnection }) => listen(peerconnection));
    each.on("confirmed", () => say({ event: "active" }));
    each.on("refer", (refer) => refer.accept(undefined, options));
    for (const end of ["ended", "failed"]) each.on(end, ({ cause }) => say({ event: "ended", cause: String(cause) }));
    if (originator === "remote") {
      say({ event: "incoming", number: each.remote_identity.uri.user });
      each.answer(options);
    }
  });
  ua.start();
  return {
    state: () => session && String(session.status),
    call: ({ number }) => ua.call(number, options),
    hangup: () => session.terminate(),
    dtmf: ({ digits }) => session.sendDTMF(digits, { transportType: JsSIP.C.DTMF_TRANSPORT.RFC2833 }),
    // Told once it is agreed: before that, JsSIP lets the next wish pass in silence.
    hold: () => session.hold({}, () => say({ event: "held" })) || failed(new Error("JsSIP does not hold now")),
    unhold: () => session.unhold({}, () => say({ event: "active" })) || failed(new Error("JsSIP does not take it back now")),
    transfer: ({ number }) => session.refer(number),
  };
}

export async function sipjs(plan, failed) {
  const SIP = await import("/node_modules/sip.js/lib/index.js");
  const uri = SIP.UserAgent.makeURI(plan.uri);
  const address = (user) => SIP.UserAgent.makeURI(`sip:${user}@${uri.host}`);
  const descriptions = { sessionDescriptionHandlerOptions: { constraints: audio } };
  let session;
  const follow = (each) => {
    session = each;
    each.stateChange.addListener((state) => {
      if (state === SIP.SessionState.Established) {
        listen(each.sessionDescriptionHandler.peerConnection);
        say({ event: "active" });
      }
      if (state === SIP.SessionState.Terminated) say({ event: "ended" });
    });
    each.delegate = {
      onRefer: (referral) => {
        const there = referral.makeInviter(descriptions);
        follow(there);
        referral.accept().then(() => there.invite()).catch(failed);
      },
    };
  };
  const ua = new SIP.UserAgent({
    uri,
    transportOptions: { server: plan.server },
    authorizationUsername: uri.user,
    authorizationPassword: plan.password,
    logLevel: "error",
    sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 500, peerConnectionConfiguration: { iceServers: [] } },
    delegate: {
      onInvite: (invitation) => {
        follow(invitation);
        say({ event: "incoming", number: invitation.remoteIdentity.uri.user });
        invitation.accept(descriptions).catch(failed);
      },
    },
  });
  await ua.start();
  const registerer = new SIP.Registerer(ua);
  registerer.stateChange.addListener((state) => state === SIP.RegistererState.Registered && say({ event: "ready" }));
  await registerer.register();
  /// Hold is an offer of its own here too.
  const offer = (hold) => session.invite({
    sessionDescriptionHandlerOptions: { constraints: audio, hold },
    requestDelegate: {
      onAccept: () => say({ event: hold ? "held" : "active" }),
      onReject: () => failed(new Error("the offer was refused")),
    },
  });
  return {
    state: () => session?.state,
    call: ({ number }) => {
      const inviter = new SIP.Inviter(ua, address(number), descriptions);
      follow(inviter);
      return inviter.invite();
    },
    hangup: () => (session.state === SIP.SessionState.Established ? session.bye() : session.cancel()),
    dtmf: ({ digits }) => session.sessionDescriptionHandler.sendDtmf(digits),
    hold: () => offer(true),
    unhold: () => offer(false),
    transfer: ({ number }) => session.refer(address(number)),
  };
}
