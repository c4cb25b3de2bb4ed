"""What customers say when they are annoyed or pleased: en, de, pt, es and fr in one table, for short messages too.

Words stand without accents and in lower case, as :func:`shadow.text.mood.folded` writes them. One table and not one per
language: a message of three words has no certain language, and what is listed means the same wherever it occurs.
"""

# ruff: noqa: E501 (a pattern or a list of words reads better on its line)

from __future__ import annotations

from typing import Final

_ANGRY: Final = (
    "angry, furious, ridiculous, unacceptable, terrible, horrible, awful, worst, useless, disgusting, pathetic, a joke, scam, fed up, sick of, waste of time, waste of my time, wasting my time, rip off, disgrace, disgraceful, appalling, outrageous, disappointed, disappointing, disappointment, frustrated, frustrating, frustration, annoyed, annoying, had enough, never again, incompetent, nonsense, liar, wtf, ffs, what the hell, sucks, bullshit, crap, damn, nobody helps, no one helps, unbelievable, how hard can it be, taking too long, takes too long, taking forever, my lawyer, last chance, rude, stupid, is there a manager, speak to a manager, talk to a manager, speak to a supervisor, speak to your supervisor, poor service, bad service, unprofessional, hopeless, shame on",
    "unverschamt, unverschamtheit, frechheit, lacherlich, katastrophe, katastrophal, enttauscht, enttauschend, enttauschung, sauer, wutend, verargert, argerlich, argere, nervt, genervt, unfassbar, inakzeptabel, schrecklich, furchtbar, saftladen, betrug, abzocke, ein witz, mir reicht es, es reicht mir, mir reichts, nase voll, nie wieder, beschwere mich, mein anwalt, peinlich, unprofessionell, zumutung, scheisse, verdammt, inkompetent, niemand hilft, keiner hilft, unmoglich, eine schande, schlechter service, bodenlos",
    "ridiculo, pessimo, pessima, horrivel, vergonha, vergonhoso, descaso, decepcionado, decepcionada, decepcao, decepcionante, frustrado, frustrada, frustrante, irritado, irritada, irritante, inaceitavel, palhacada, enganado, enganada, lamentavel, pior, inutil, um lixo, procon, meu advogado, insatisfeito, insatisfeita, esta dificil, ta dificil, cansei, cansado de, cansada de, perda de tempo, falta de respeito, desrespeito, nunca mais, porra, merda, que saco, indignado, indignada, chateado, chateada, revoltante, absurdo, absurda, ninguem resolve, ninguem ajuda, ninguem me ajuda, ninguem responde, nao resolvem, estou farto, estou farta",
    "pesimo, pesima, verguenza, inaceptable, decepcion, enfadado, enfadada, enojado, enojada, furioso, furiosa, harto, harta, una estafa, una broma, perdida de tiempo, nunca mas, tomadura de pelo, mierda, joder, no puede ser, es el colmo, incompetentes, indignante, mi abogado, nadie me ayuda, nadie ayuda, nadie responde, nadie contesta, una queja, denunciar, la peor, el peor",
    "inacceptable, honteux, une honte, scandaleux, decu, decue, decevant, furieux, furieuse, enerve, enervee, enervant, catastrophique, marre, ras le bol, arnaque, perte de temps, plus jamais, vous moquez, incompetent, inadmissible, pire, merde, insupportable, mon avocat, personne ne m'aide, personne ne repond",
)
_ANNOYED: Final = (
    "still not, still no, still waiting, still doesn't, still does not, still haven't, still have not, still hasn't, still has not, still can't, still cannot, still isn't, still is not, still the same, still nothing, not again, happened again, failed again, again and again, same problem, same error, same issue, same message, same thing, same answer, already told, already said, already tried, already did, already done, already asked, already gave, already sent, i told you, as i said, like i said, i just said, i just told, not what i, isn't what i, that's wrong, that is wrong, is not right, isn't right, not correct, isn't correct, second time, third time, fourth time, how many times, many times, several times, how much longer, for weeks, for days, are you sure, doesn't work, does not work, didn't work, did not work, not working, won't work, isn't working, nothing works, doesn't help, does not help, didn't help, not helpful, unhelpful, not helping, don't understand me, didn't understand, did not understand, misunderstood, didn't answer, did not answer, not answering, no response, no answer, no reply, too bad, unfortunately, makes no sense, been waiting, overcharged, check again, look again, keeps happening, keeps failing, keep getting, still getting, error again, no luck, tried that, tried everything, won't let me, keeps saying, keeps crashing, never arrived, never received, never got, haven't received, haven't heard, not resolved, not solved, not fixed, went wrong, give up, giving up, this long, nobody answers, no help, bad, wrong",
    "immer noch, noch immer, schon wieder, wieder nicht, wieder das gleiche, wieder dasselbe, wieder die gleiche, wieder die selbe, wieder dieselbe, gleiche meldung, gleiche problem, gleiche fehler, selbe problem, selbe meldung, klappt nicht, klappt leider, funktioniert nicht, funktioniert leider nicht, geht nicht, geht leider nicht, nichts geht, geht gar nichts, gar nichts mehr, hilft nicht, hilft mir nicht, habe ich schon, habe ich bereits, hab ich schon, hatte ich schon, schon gesagt, schon gemacht, bereits gemacht, bereits gesagt, bereits versucht, schon versucht, schon zweimal, schon mehrmals, das dritte mal, dritten mal, zweiten mal, mehrmals, mehrfach, zigmal, wie oft, wie lange noch, seit wochen, seit tagen, seit stunden, warte seit, leider, erfolglos, vergeblich, stimmt nicht, ist falsch, schade, keine antwort, sind sie sicher, nicht beantwortet, nicht verstanden, ich sagte doch, weiterhin, kein erfolg, ohne erfolg, nie angekommen, nie erhalten, immer wieder, lasst sich nicht, passiert nichts, keine hilfe, niemand antwortet, so lange, nicht geholfen, nicht gelost, gebe auf",
    "ainda nao, nao funciona, nao funcionou, nao esta funcionando, nao consigo, nao consegui, nao estou conseguindo, nao deu certo, nao deu, nao resolveu, nao resolve, nao aparece, nao apareceu, nao adianta, nao adiantou, nao ajuda, nao ajudou, de novo, outra vez, mesmo erro, mesmo problema, mesma coisa, mesma mensagem, mesma tela, continua, ja fiz, ja falei, ja disse, ja tentei, ja expliquei, ja informei, ja enviei, ja mandei, terceira vez, segunda vez, varias vezes, quantas vezes, ate quando, ha dias, ha semanas, faz dias, faz semanas, infelizmente, nao e isso, nao foi isso, nao entendeu, errado, errada, tem certeza, demora muito, demorando, sem resposta, nao obtive, nao responderam, nao perguntei, nao pedi, nao abre, nao abriu, nao carrega, nao carregou, nao entra, nada acontece, sem sucesso, nao foi possivel, mesmo assim, da erro, deu erro, dando erro, nao da, nao esta abrindo, nao esta carregando, nao esta aparecendo, nao estao aparecendo, nao estao carregando, nao reconhece, nao liga, nunca chegou, nunca recebi, nao foi resolvido, sem solucao, nenhuma resposta, desisto, sempre o mesmo, sempre a mesma",
    "todavia no, aun no, sigue sin, sigo sin, de nuevo, no funciona, no funciono, no me funciona, no sirve, no me sirve, no ayuda, no me ayuda, ya lo hice, ya dije, ya lo dije, ya se lo dije, ya le dije, ya he dicho, ya lo he, ya probe, ya intente, mismo error, misma respuesta, lo mismo de siempre, tercera vez, varias veces, cuantas veces, hasta cuando, llevo esperando, llevo dias, llevo semanas, hace semanas, sin respuesta, no es eso, eso no es, no entiende, no me entiende, no entendio, no ha respondido, no respondio, incorrecto, equivocado, equivocada, esta mal, esta seguro, esta segura, desafortunadamente, lamentablemente, no pregunte, no pedi, que lastima, no abre, no carga, no puedo entrar, no pasa nada, sin exito, da error, sigue igual, sigue fallando, nunca llego, nunca recibi, no me deja, no se ha resuelto, sin solucion, ninguna respuesta, siempre lo mismo, me rindo, tanto tiempo",
    "toujours pas, encore une fois, ne fonctionne pas, ne fonctionne toujours, ne marche pas, marche pas, fonctionne pas, n'aide pas, meme probleme, meme erreur, meme chose, meme message, deja dit, deja fait, deja essaye, deja explique, troisieme fois, deuxieme fois, plusieurs fois, combien de fois, ce n'est pas ce que, depuis des semaines, depuis des jours, malheureusement, pas de reponse, pas repondu, ne comprenez pas, pas compris, etes vous sur, c'est faux, dommage, sans succes, n'arrive toujours pas, rien ne se passe, jamais recu, jamais arrive, toujours le meme, toujours la meme, sans solution, aucune reponse, j'abandonne, si longtemps",
)
_THANKS: Final = (
    "thanks, thank you, thank, thx, appreciate",
    "danke, dank",
    "obrigado, obrigada, obg, valeu, agradeco, grato, grata",
    "gracias, agradezco, muy amable",
    "merci",
)
_PRAISE: Final = (
    "great, perfect, excellent, wonderful, awesome, amazing, love, works now, it works, that works, working now, it worked, that helps, helpful, glad, happy, solved, brilliant, fantastic, sounds good, good job, nice",
    "super, perfekt, prima, wunderbar, hat geklappt, funktioniert jetzt, klappt jetzt, geht wieder, geht jetzt, hat funktioniert, jetzt funktioniert, freut mich, freue mich, hilfreich, zufrieden, spitze, hilft mir",
    "otimo, otima, perfeito, perfeita, excelente, maravilha, deu certo, funcionou, consegui, muito bom, adorei, que bom, parabens, ajudou muito, resolvido",
    "genial, perfecto, perfecta, maravilloso, estupendo, encantado, encantada, ya funciona, solucionado, resuelto, contento, contenta, fenomenal, me ayudo",
    "parfait, parfaite, ca marche, ca fonctionne, ravi, ravie, tres bien, formidable",
)

ANGRY: Final = -2.0
ANNOYED: Final = -1.0
PLEASED: Final = 1.0
WEIGHTS: Final = ((ANGRY, _ANGRY), (ANNOYED, _ANNOYED), (PLEASED, _THANKS), (PLEASED, _PRAISE))
"""Marks with the phrases that carry them; within a list phrases are parted by commas."""

_NOT: Final = (
    "not no don't doesn't didn't can't cannot isn't wasn't won't never nicht kein keine keinen nao nunca sem sin pas ni"
)
NEGATORS: Final = frozenset(_NOT.split())
NEGATED: Final = frozenset(phrase for list_ in (_ANGRY, _ANNOYED, _PRAISE) for phrase in ", ".join(list_).split(", "))
"""What a negator just before turns round; thanks stay thanks: ``no, thank you``."""
REFUSALS: Final = frozenset(["no", "nope", "nah", "nein", "nao", "non", "negative"])
"""Words that, in front, turn down what the other side has said."""
_OFFERED: Final = (
    "thanks thank that that's that'll thats not nothing need don't more you problem sorry danke das nicht brauche "
    "obrigado obrigada isso so problema gracias eso solo merci c'est ca"
)
DECLINES: Final = frozenset(_OFFERED.split())
"""After one of ``REFUSALS``: an offer is declined, and nothing put right."""
